"""The delivery ticket: what is known of a truckload, from the order to the truck's return."""

# Columns of a ticket, in order; those that are not known yet are None.
FIELDS = (
    "ticket", "order", "order_number", "grade", "line", "load", "truck", "energy", "batch_from", "batch_to", "volume_m3", "loaded_kg", "gross_kg", "tare_kg", "due_s", "late_s", "queued_s", "at_bay_s",
    "left_s", "washed", "gate_s", "arrived_s", "pour_s", "poured_s", "returned_s", "poured_kg", "wet_s", "slump_mm", "temperature_c", "age_site_min", "slump_site_mm", "temperature_site_c",
    "revolutions", "outcome", "km_out", "km_back", "energy_used",
)  # fmt: skip
NOTHING = dict.fromkeys(FIELDS)  # known so far
