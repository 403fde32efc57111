"""The order of the turns of the real day, from the first complete evidence to its acceptance.

The stamps are those of the turns' own headings in the summary that the day left. The supervisor's
are days ahead, by its clock; the engineer's are right, but for one that was typed as midnight.
Who had the next turn is all that is taken over: what is asked, run and accepted is decided by the
two scripts.
"""

from __future__ import annotations

SUPERVISOR, ENGINEER = "supervisor", "engineer"
DAY = (
    (SUPERVISOR, "2025-11-16T231500Z"),  # Phase A is due: nothing is there yet
    (ENGINEER, "2025-11-14T024800Z"),  # complete
    (SUPERVISOR, "2025-11-17T010000Z"),
    (ENGINEER, "2025-11-14T030900Z"),
    (SUPERVISOR, "2025-11-17T033500Z"),
    (ENGINEER, "2025-11-14T032800Z"),
    (ENGINEER, "2025-11-14T033900Z"),
    (SUPERVISOR, "2025-11-17T123500Z"),
    (ENGINEER, "2025-11-14T040230Z"),
    (SUPERVISOR, "2025-11-17T154500Z"),
    (ENGINEER, "2025-11-14T042100Z"),
    (SUPERVISOR, "2025-11-17T200500Z"),
    (ENGINEER, "2025-11-14T043600Z"),
    (SUPERVISOR, "2025-11-17T234500Z"),
    (ENGINEER, "2025-11-14T045100Z"),
    (ENGINEER, "2025-11-14T050250Z"),
    (SUPERVISOR, "2025-11-17T210700Z"),
    (ENGINEER, "2025-11-14T000000Z"),
    (SUPERVISOR, "2025-11-14T132300Z"),
    (ENGINEER, "2025-11-14T0529Z"),
    (SUPERVISOR, "2025-11-18T000000Z"),
    (ENGINEER, "2025-11-14T0547Z"),
    (SUPERVISOR, "2025-11-18T1530Z"),  # accepted
)
