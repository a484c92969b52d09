"""What a page refuses, as a typed error in both languages, and how errors become answers of one line."""

from __future__ import annotations

from twin.errors import BatchtwinError

# Status of an answer by the code of the error; what is not named here is a wrong figure.
STATUS = {"E102": 404, "E201": 404, "E202": 409, "E203": 507, "E301": 404, "E302": 403, "E303": 422, "E304": 409, "E305": 409, "E505": 404}


class Refusal(BatchtwinError):
    """Something the pages do not allow, with its HTTP status."""

    def __init__(self, status: int, en: tuple[str, str], zh: tuple[str, str]) -> None:
        self.status = status
        self._zh = {"problem": zh[0], "mend": zh[1]}
        super().__init__("E401", problem=en[0], mend=en[1])

    def text(self, language: str = "en") -> str:
        return BatchtwinError("E401", **self._zh).text("zh") if language == "zh" else super().text(language)


def status(error: BatchtwinError) -> int:
    """HTTP status of an error."""
    return error.status if isinstance(error, Refusal) else STATUS.get(error.code, 422)
