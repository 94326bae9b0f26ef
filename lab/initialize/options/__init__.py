"""All categories and their options, in the order of the questions."""

from __future__ import annotations

from collections.abc import Mapping

from lab.initialize.model import Category, Option
from lab.initialize.options.apps import APPLICATIONS
from lab.initialize.options.authentication import AUTHENTICATION
from lab.initialize.options.certificates import CERTIFICATES
from lab.initialize.options.delivery import DELIVERY
from lab.initialize.options.ingress import INGRESS
from lab.initialize.options.mesh import MESH
from lab.initialize.options.observability import OBSERVABILITY_CATEGORY
from lab.initialize.options.platform import CLUSTERS, PLATFORM
from lab.initialize.options.serverless import SERVERLESS

CATEGORIES = (
    PLATFORM,
    CLUSTERS,
    MESH,
    INGRESS,
    CERTIFICATES,
    AUTHENTICATION,
    OBSERVABILITY_CATEGORY,
    DELIVERY,
    SERVERLESS,
    APPLICATIONS,
)
BY_ID: Mapping[str, Category] = {category.id: category for category in CATEGORIES}
OPTIONS: Mapping[str, Option] = {
    option.id: option for category in CATEGORIES for option in category.options if option.id != "none"
}
"""All options but "none", which two categories have. Ids are unique: a set of ids is a choice."""
