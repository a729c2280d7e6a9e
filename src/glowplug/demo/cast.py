"""Who appears in the demo, in their own words; all invented. Both say, too, what they do not want."""

from __future__ import annotations

from datetime import datetime

from glowplug.events import Action, Interaction, ItemCreated, ItemUpdated, UserCreated

ADA = "demo-ada"
MEI = "demo-mei"
TRACKER = "demo-star-tracker"
# What Ada does later, by titles of the catalogue: of jazz she never said a word.
ADAS_DEEDS: tuple[tuple[Action, str], ...] = (
    ("like", "Blue Ferry"),
    ("dislike", "Allotment Confessions"),
    ("purchase", "Ruth Calloway Trio: After the Rain Room"),
)


def ada(now: datetime) -> UserCreated:
    return UserCreated(
        event_id="demo-1-ada",
        event_time=now,
        user_id=ADA,
        text="I drive out to a dark hill at new moon to photograph nebulae. At weekends I bake bread. "
        "Video games do nothing for me, not even the ones in space.",
        interests=("astrophotography", "sourdough"),
        attributes={"age": 34, "country": "GB"},
    )


def mei(now: datetime) -> UserCreated:
    return UserCreated(
        event_id="demo-2-mei",
        event_time=now,
        user_id=MEI,
        text="在成都长大，搬到柏林以后最想念家里的回锅肉。周末自己炒菜，窗台上种了几盆辣椒。甜点和烘焙不感兴趣。",
        interests=("做四川菜", "辣椒和花椒"),
    )


def tracker(now: datetime) -> ItemCreated:
    return ItemCreated(
        event_id="demo-3-tracker",
        event_time=now,
        item_id=TRACKER,
        domain="shop",
        title="Pocket Star Tracker for Cameras",
        description="A palm-sized motor that follows the night sky, so that a camera on a tripod can expose the "
        "Milky Way for three minutes. Runs until dawn on one charge.",
        attributes={
            "language": "en",
            "price": 189,
            "category": "optics",
            "tags": ("astrophotography", "night sky"),
        },
    )


def deed(number: int, action: Action, item_id: str, now: datetime) -> Interaction:
    return Interaction(
        event_id=f"demo-4-{number}-{action}", event_time=now, user_id=ADA, item_id=item_id, action=action
    )


def withdrawn(now: datetime) -> ItemUpdated:
    """The tracker as it was, and no longer to be had."""
    item = tracker(now)
    return ItemUpdated(
        **item.model_dump(exclude={"type", "event_id", "available"}), event_id="demo-5-withdrawn", available=False
    )
