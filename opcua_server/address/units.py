"""Engineering units as OPC UA names them: codes of UNECE Recommendation 20 (OPC 10000-8 5.6.3)."""

from __future__ import annotations

from collections.abc import Sequence

from asyncua import ua

from opcua_server.address.texts import Text

UNECE = "http://www.opcfoundation.org/UA/units/un/cefact"

# Unit symbol of the tag table: code, name, name in Chinese (GB 3100 and GB 3102; the symbols are the same in both languages).
CODES = {
    "kg": ("KGM", "kilogram", "千克"), "kg/s": ("KGS", "kilogram per second", "千克每秒"), "kg/m³": ("KMQ", "kilogram per cubic metre", "千克每立方米"), "t": ("TNE", "tonne (metric ton)", "吨"),
    "%": ("P1", "percent", "百分比"), "-": ("C62", "one", "一"), "count": ("C62", "one", "一"), "s": ("SEC", "second [unit of time]", "秒"), "min": ("MIN", "minute [unit of time]", "分钟"),
    "h": ("HUR", "hour", "小时"), "kPa": ("KPA", "kilopascal", "千帕"), "Pa": ("PAL", "pascal", "帕"), "kW": ("KWT", "kilowatt", "千瓦"), "A": ("AMP", "ampere", "安培"), "V": ("VLT", "volt", "伏特"),
    "m": ("MTR", "metre", "米"), "mm": ("MMT", "millimetre", "毫米"), "m³": ("MTQ", "cubic metre", "立方米"), "m³/h": ("MQH", "cubic metre per hour", "立方米每小时"), "m/s": ("MTS", "metre per second", "米每秒"),
    "°C": ("CEL", "degree Celsius", "摄氏度"), "°": ("DD", "degree [unit of angle]", "度（角度）"), "m²": ("MTK", "square metre", "平方米"), "kg/m²": ("28", "kilogram per square metre", "千克每平方米"),
    "µg/m³": ("GQ", "microgram per cubic metre", "微克每立方米"), "mg/m³": ("GP", "milligram per cubic metre", "毫克每立方米"), "dB": ("2N", "decibel", "分贝"), "m/min": ("2X", "metre per minute", "米每分钟"), "km": ("KMT", "kilometre", "千米"), "km/h": ("KMH", "kilometre per hour", "千米每小时"), "1/min": ("RPM", "revolutions per minute", "转每分钟"), "mm/h": ("H67", "millimetre per hour", "毫米每小时"),
}  # fmt: skip


def unit(symbol: str, locales: Sequence[str] = ()) -> ua.EUInformation:
    """The standard's structure for a unit symbol; the number is the code's characters in a row.

    Args:
        locales: languages for its name, best first.

    Raises:
        KeyError: a unit without a code here: a machine brought a new one.
    """
    code, en, zh = CODES[symbol]
    shown = "1" if symbol in ("-", "count") else symbol
    return ua.EUInformation(
        NamespaceUri=UNECE,
        UnitId=int.from_bytes(code.encode(), "big"),
        DisplayName=Text(shown, shown).localized(locales),
        Description=Text(en, zh).localized(locales),
    )
