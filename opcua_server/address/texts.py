"""Texts that clients are shown, in English and Chinese."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from asyncua import ua


class Text(NamedTuple):
    """One text in both languages."""

    en: str
    zh: str

    def localized(self, locales: Sequence[str] = ()) -> ua.LocalizedText:
        """The text in the first of the session's locales that we speak (`zh`, `zh-CN`, `en-GB` …); English when there is none."""
        for locale in locales:
            language = (locale or "").lower().replace("_", "-").split("-")[0]
            if language in ("zh", "en"):
                return ua.LocalizedText(self.zh if language == "zh" else self.en, language)
        return ua.LocalizedText(self.en, "en")
