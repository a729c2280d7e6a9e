"""users → user-vectors: what a user wrote, picked and is, each statement as a vector and all of them as one.

`python -m consumers.user_embedder`
"""

from __future__ import annotations

from glowplug.events import UserPart, UserUpsert, UserVector
from glowplug.inference.encoder import TextEncoder, load
from glowplug.inference.shared import SharedEncoder
from glowplug.settings import Settings
from glowplug.stream.decode import Tombstone
from glowplug.stream.main import run_alone
from glowplug.stream.step import Record
from glowplug.text.embedder import Embedder
from glowplug.text.hashes import content_hash
from glowplug.text.known import Recalled
from glowplug.text.plan import Decoded, Made
from glowplug.text.statements import Statement, user_statements, weighted_mean
from glowplug.text.users import decode_user
from glowplug.vectors import pack, unpack


class UserEmbedder(Embedder[UserUpsert]):
    def __init__(self, settings: Settings, encoder: TextEncoder) -> None:
        super().__init__(settings, encoder, name="user_embedder", reads="users", writes="user_vectors", kind="user")
        self._statements = user_statements(settings)

    def decode(self, record: Record) -> Decoded[UserUpsert] | Tombstone:
        return decode_user(record)

    def state(self, upsert: UserUpsert) -> tuple[str, tuple[Statement, ...]]:
        statements = self._statements.get(upsert.domain) or self._statements["default"]
        return statements.hash, statements.of(upsert)

    def output(self, made: Made[UserUpsert]) -> UserVector:
        mean = weighted_mean(made.vectors, [statement.weight for statement in made.statements])
        return UserVector(
            user_id=made.upsert.user_id,
            domain=made.upsert.domain,
            vector=None if mean is None else pack(mean),
            parts=tuple(
                UserPart(field=said.field, text=said.text, weight=said.weight, vector=pack(vector))
                for said, vector in zip(made.statements, made.vectors, strict=True)
            ),
            attributes=made.upsert.attributes,
            blocked_items=made.upsert.blocked_items,
            deleted_before=made.deleted,
            embedding=made.embedding,
            source=made.source,
            generated_at=made.now,
        )

    def recall(self, value: bytes) -> Recalled:
        user = UserVector.model_validate_json(value)
        vectors = {content_hash([part.text]): unpack(part.vector).tobytes() for part in user.parts}
        return Recalled(user.source, user.embedding, vectors, deleted=user.deleted_before)


def make(settings: Settings, encoder: TextEncoder) -> UserEmbedder:
    return UserEmbedder(settings, encoder)


def main() -> None:
    run_alone(lambda settings: make(settings, SharedEncoder(load(settings.encoder), settings.encoder.memo)))


if __name__ == "__main__":
    main()
