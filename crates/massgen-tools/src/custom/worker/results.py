

# Results.


def from_address(kind, text):
    found = re.match(r"^data:([\w.+-]+/[\w.+-]+)?(?:;[^,]*)?;base64,(.*)$", text, re.S)
    if found:
        return {"type": kind, "media_type": found.group(1) or "", "data": found.group(2)}
    if re.match(r"^[a-z][a-z0-9+.-]*://", text, re.I):
        return {"type": "text", "text": text}
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return {"type": "text", "text": text}
    return {"type": kind, "media_type": "", "data": text}


def media(kind, data, media_type=""):
    if isinstance(data, (bytes, bytearray)):
        return {"type": kind, "media_type": str(media_type or ""), "data": base64.b64encode(data).decode()}
    if isinstance(data, dict):
        return media(kind, data.get("data") or data.get("url") or "",
                     data.get("media_type") or data.get("mimeType") or data.get("mime_type") or media_type)
    block = from_address(kind, str(data))
    if media_type and block["type"] == kind:
        block["media_type"] = str(media_type)
    return block


def text_of(value):
    if isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "replace")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    own = getattr(value, "model_dump", None)
    if callable(own):
        value = own()
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):
        return str(value)


def block_of(value):
    """One block, if the value is written or made as one."""
    if isinstance(value, dict):
        kind = value.get("type")
        if kind == "text" and isinstance(value.get("text"), str):
            return {"type": "text", "text": value["text"]}
        if kind in ("image", "audio") and ("data" in value or "source" in value):
            media_type = value.get("mimeType") or value.get("media_type") or ""
            return media(kind, value["data"] if "data" in value else value["source"], media_type)
        if kind == "image_url":
            return media("image", value.get("image_url"))
        return None
    kind = getattr(value, "block_type", None) or getattr(value, "type", None)
    if kind == "text" and (hasattr(value, "data") or hasattr(value, "text")):
        return {"type": "text", "text": text_of(value.data if hasattr(value, "data") else value.text)}
    if kind in ("image", "audio") and hasattr(value, "data"):
        return media(kind, value.data, getattr(value, "mimeType", None) or getattr(value, "media_type", None) or "")
    return None


def blocks_of(value):
    if value is None:
        return []
    inside = getattr(value, "output_blocks", None)
    if inside is None and isinstance(value, dict) and isinstance(value.get("output_blocks"), list):
        inside = value["output_blocks"]
    if isinstance(inside, (list, tuple)):
        return [block_of(item) or {"type": "text", "text": text_of(item)} for item in inside]
    block = block_of(value)
    if block:
        return [block]
    if isinstance(value, (list, tuple)) and value:
        blocks = [block_of(item) for item in value]
        if all(blocks):
            return blocks
    return [{"type": "text", "text": text_of(value)}]
