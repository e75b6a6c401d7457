"""A model without a provider: LiteLLM translates what it says into whatever protocol it was asked in."""

from litellm import CustomLLM

WORDS = ["There ", "are ", "two ", "high ", "tides ", "a ", "day."]


class Model(CustomLLM):
    async def astreaming(self, *arguments, **settings):
        for word in WORDS:
            yield self.chunk(word)
        usage = {"prompt_tokens": 5, "completion_tokens": len(WORDS), "total_tokens": 5 + len(WORDS)}
        yield {**self.chunk(""), "is_finished": True, "finish_reason": "stop", "usage": usage}

    @staticmethod
    def chunk(text):
        start = {"index": 0, "tool_use": None, "usage": None}
        return {**start, "text": text, "is_finished": False, "finish_reason": None}


model = Model()
