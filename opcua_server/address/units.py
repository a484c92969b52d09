"""Engineering units as OPC UA names them: codes of UNECE Recommendation 20 (OPC 10000-8 5.6.3)."""

from __future__ import annotations

from asyncua import ua

UNECE = "http://www.opcfoundation.org/UA/units/un/cefact"

# Unit symbol of the tag table: code, name.
CODES = {
    "kg": ("KGM", "kilogram"), "kg/s": ("KGS", "kilogram per second"), "kg/m³": ("KMQ", "kilogram per cubic metre"), "t": ("TNE", "tonne (metric ton)"),
    "%": ("P1", "percent"), "-": ("C62", "one"), "count": ("C62", "one"), "s": ("SEC", "second [unit of time]"), "min": ("MIN", "minute [unit of time]"),
    "h": ("HUR", "hour"), "kPa": ("KPA", "kilopascal"), "Pa": ("PAL", "pascal"), "kW": ("KWT", "kilowatt"), "A": ("AMP", "ampere"), "V": ("VLT", "volt"),
    "m": ("MTR", "metre"), "mm": ("MMT", "millimetre"), "m³": ("MTQ", "cubic metre"), "m³/h": ("MQH", "cubic metre per hour"), "m/s": ("MTS", "metre per second"),
    "°C": ("CEL", "degree Celsius"), "°": ("DD", "degree [unit of angle]"), "m²": ("MTK", "square metre"), "kg/m²": ("28", "kilogram per square metre"),
    "µg/m³": ("GQ", "microgram per cubic metre"), "mg/m³": ("GP", "milligram per cubic metre"), "dB": ("2N", "decibel"), "m/min": ("2X", "metre per minute"), "km": ("KMT", "kilometre"), "km/h": ("KMH", "kilometre per hour"), "1/min": ("RPM", "revolutions per minute"), "mm/h": ("H67", "millimetre per hour"),
}  # fmt: skip


def unit(symbol: str) -> ua.EUInformation:
    """The standard's structure for a unit symbol; the number is the code's characters in a row.

    Raises:
        KeyError: a unit without a code here: a machine brought a new one.
    """
    code, name = CODES[symbol]
    number = int.from_bytes(code.encode(), "big")
    return ua.EUInformation(
        NamespaceUri=UNECE,
        UnitId=number,
        DisplayName=ua.LocalizedText("1" if symbol in ("-", "count") else symbol, "en"),
        Description=ua.LocalizedText(name, "en"),
    )
