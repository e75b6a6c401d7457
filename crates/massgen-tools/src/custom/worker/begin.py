"""Runs functions of the user for massgen, the beginning: requests come in as JSON lines, replies go out as JSON lines.

It is given to the interpreter as text (`python -c`), with the most bytes of one reply as its only argument. What
functions print goes to standard error, so that it cannot be taken for a reply. Each request has a thread of its own;
coroutines of all requests share one event loop.
"""

import sys

# The folder that this starts in belongs to somebody else: nothing is imported from it.
sys.path[:] = [place for place in sys.path if place]

import asyncio
import base64
import collections.abc
import concurrent.futures
import dataclasses
import enum
import importlib
import importlib.abc
import importlib.util
import inspect
import json
import os
import queue
import re
import threading
import traceback
import types
import typing

try:
    import ctypes
except ImportError:
    # Only `stop` needs it, and what cannot be stopped in a friendly way is ended from outside.
    ctypes = None

MOST_BYTES = int(sys.argv[1])
DEPTH = 8
MOST_WORDS = 4000

CONTEXT = (
    "messages",
    "agent_system_message",
    "agent_id",
    "backend_name",
    "backend_type",
    "model",
    "current_stage",
    "agent_cwd",
    "allowed_paths",
    "multimodal_config",
    "task_context",
)

# Of these, what massgen has no value for.
NOT_KNOWN = ("messages", "current_stage", "multimodal_config")


class Refused(Exception):
    """A request that cannot be done; its text is the whole story."""


class Stopped(BaseException):
    """Thrown into a thread whose request was given up."""
