"""All options for the page, as plain JSON: what does not change with a choice."""

from __future__ import annotations

from lab.base.names import Json
from lab.initialize.alternatives import FORM
from lab.initialize.choices import FORMS, MOST_QUERY
from lab.initialize.forms import HELMFILE
from lab.initialize.model import Category, Option
from lab.initialize.options import BY_ID, CATEGORIES
from lab.initialize.preview import FOLDER

_FORMS = {
    "kustomize": ("Kustomize", "Folders in apply order, for `kubectl apply -k`."),
    "argocd": ("Argo CD", "The same folders, with the objects by which Argo CD applies them."),
    "flux": ("Flux", "The same folders, with the objects by which Flux applies them."),
    "helmfile": ("Helmfile", f"The same folders, with a {HELMFILE} that applies them."),
}

_FIELDS = [
    {
        "id": "registry",
        "label": "Registry with all images",
        "example": "registry.example:5000/mirror",
        "help": "For clusters without the Internet; `IMAGES.txt` lists the images. Empty: upstream's registries.",
    },
    {
        "id": "source",
        "label": "Repository of the folder",
        "example": "https://git.example/clusters.git",
        "help": "Where Argo CD or Flux reads the folder. Empty: for Argo CD a value to replace, for Flux a registry in "
        "the cluster.",
    },
]


def described() -> Json:
    """Return the categories with their options, and the forms of the output."""
    return {
        "categories": [_category(category) for category in CATEGORIES],
        "forms": {
            "category": FORM,
            "options": [{"id": form, "title": _FORMS[form][0], "says": _FORMS[form][1]} for form in FORMS],
        },
        "fields": _FIELDS,
        "folder": FOLDER,
        "most_query": MOST_QUERY,
    }


def _category(category: Category) -> Json:
    return {
        "id": category.id,
        "title": category.title,
        "question": category.question,
        "many": category.many,
        "options": [_option(category, option) for option in category.options],
    }


def _capital(title: str) -> str:
    """Return a title for the beginning of a line; names of programs keep their small letters."""
    is_phrase = title.partition(" ")[0] in {"a", "another", "no", "one", "the"}
    return title[:1].upper() + title[1:] if is_phrase else title


def _option(category: Category, option: Option) -> Json:
    instead = [BY_ID[category.id].option(one) for one in option.instead]
    return {
        **option.facts,
        "title": _capital(option.title),
        "upkeep": option.upkeep.value if option.version or not option.selectable else "",
        "selectable": option.selectable,
        "instead": [one.title for one in instead if one is not None],
        "referenced": bool(option.reference),
    }
