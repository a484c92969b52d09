"""What if: change anything about a plant or a day, play it by the thousand, compare, look for what matters and for the cheapest that passes."""
