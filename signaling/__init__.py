"""HTTP: WHEP, rooms, the page, health. Imports rtcserver, never the reverse."""
