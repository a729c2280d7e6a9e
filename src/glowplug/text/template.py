"""Items to text, by the template of their domain. Pure; what an event says is data, never part of a template."""

from __future__ import annotations

import re
from collections.abc import Mapping

from glowplug.errors import BadSettings, shown
from glowplug.events import ItemUpsert
from glowplug.profiles.orders import legible
from glowplug.settings import DomainSettings, Settings
from glowplug.text import attributes
from glowplug.text.clean import clean
from glowplug.text.hashes import template_hash

RENDERING = 3  # raise it when the same event and settings come to give another text: vectors are then made anew
LISTED = 10  # entries of a list among all attributes: what follows would push other fields out of the encoder
FIELD = re.compile(r"\{([^{}]*)\}")
WHOLE_FIELDS = ("title", "description", "attributes")
ATTRIBUTE = "attributes."


class ItemTemplate:
    """One domain's template. hash: of everything in the settings that decides the text.

    Raises BadSettings for a field that no item has, an attribute that is not declared, or a lone brace.
    """

    def __init__(self, domain: str, settings: DomainSettings) -> None:
        self._declarations = settings.item_attributes
        self._lines = settings.item_template.split("\n")
        for line in self._lines:
            self._refuse_unknown(domain, line)
        self.hash = template_hash(RENDERING, "item", settings.item_template, _declared(self._declarations))

    def text(self, item: ItemUpsert) -> str:
        """What the encoder reads; empty where the item says nothing. Raises SchemaViolation (attribute types).

        A line of the template whose fields are all empty is left out, with the words around them.
        """
        attributes.check(item.attributes, self._declarations)
        values = {
            "title": clean(item.title),
            "description": clean(legible(item.description)),
            "attributes": attributes.lines(item.attributes, self._declarations, LISTED),
        }
        values |= {ATTRIBUTE + name: attributes.words(value) for name, value in item.attributes.items()}
        return clean("\n".join(_fill(line, values) for line in self._lines))

    def _refuse_unknown(self, domain: str, line: str) -> None:
        where = f"domains.{domain}.item_template"
        if (brace := re.search(r"[{}]", FIELD.sub("", line))) is not None:
            raise BadSettings(
                f"{where}: a lone {brace[0]!r} in the line {shown(line)}; fields are {{title}} and so on"
            )
        for name in FIELD.findall(line):
            if name.startswith(ATTRIBUTE):
                if name.removeprefix(ATTRIBUTE) not in self._declarations:
                    raise BadSettings(
                        f"{where} names {{{shown(name)}}}, which is not declared under "
                        f"domains.{domain}.item_attributes; declare it or leave it out"
                    )
            elif name not in WHOLE_FIELDS:
                raise BadSettings(
                    f"{where} names {{{shown(name)}}}; fields are title, description, attributes "
                    "and attributes.NAME"
                )


def item_templates(settings: Settings) -> Mapping[str, ItemTemplate]:
    """All templates by domain, 'default' among them. Raises BadSettings."""
    domains = {"default": settings.domain("default"), **settings.domains}
    return {name: ItemTemplate(name, domain) for name, domain in domains.items()}


def _fill(line: str, values: Mapping[str, str]) -> str:
    """The line with its fields filled in, in one pass: braces in a value are only braces."""
    names = FIELD.findall(line)
    if names and not any(values.get(name) for name in names):
        return ""
    return FIELD.sub(lambda match: values.get(match[1], ""), line)


def _declared(declarations: attributes.Declarations) -> dict[str, object]:
    return {name: {"type": one.type, "meaning": one.meaning} for name, one in declarations.items()}
