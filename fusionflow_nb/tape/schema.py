"""The tape's schema: public views over internal tables that the journal sync fills.

`internal.*` has the latest row of each id in typed columns. The views in `main` are the public interface: stable
names, units and order, money in USD, times as TIMESTAMP in UTC. `outputs`, `inputs` and `assets` are unnested from
the generations at query time, so that a million rows load fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionflow_nb.media.media_types import EXTENSIONS

if TYPE_CHECKING:
    import duckdb

_ASSET = (
    "STRUCT(sha256 VARCHAR, media_type VARCHAR, size_bytes BIGINT, width INTEGER, height INTEGER, duration_s DOUBLE)"
)
_ITEM = f'asset {_ASSET}, "value" JSON'
_OUTPUT = f"STRUCT({_ITEM}, axis VARCHAR, labels VARCHAR[], items STRUCT({_ITEM})[])"

GENERATION_COLUMNS = {
    "id": "VARCHAR",
    "project_id": "VARCHAR",
    "run_id": "VARCHAR",
    "node_id": "VARCHAR",
    "node_type": "VARCHAR",
    "provider": "VARCHAR",
    "model": "VARCHAR",
    "served_by": "VARCHAR",
    "prompt_snapshot": "VARCHAR",
    "settings_snapshot": "JSON",
    "seed": "BIGINT",
    "take": "BIGINT",
    "content_key": "VARCHAR",
    "coordinate": "VARCHAR[][]",
    "status": "VARCHAR",
    "output_url": "VARCHAR",
    "outputs": f"MAP(VARCHAR, {_OUTPUT})",
    "inputs": 'STRUCT(port VARCHAR, "index" INTEGER, digest VARCHAR, source_generation_id VARCHAR)[]',
    "cost_micro_usd": "BIGINT",
    "estimate_micro_usd": "BIGINT",
    "estimate_low_micro_usd": "BIGINT",
    "queued_at_us": "BIGINT",
    "started_at_us": "BIGINT",
    "finished_at_us": "BIGINT",
    "operation": "JSON",
    "error_code": "VARCHAR",
    "error_message": "VARCHAR",
    "flow_hash": "VARCHAR",
    "cost_is_exact": "BOOLEAN",
}
OPERATION_COLUMNS = {"id": "VARCHAR", "operation": "JSON"}
RUN_COLUMNS = {
    "id": "VARCHAR",
    "project_id": "VARCHAR",
    "user": "VARCHAR",
    "status": "VARCHAR",
    "started_at_us": "BIGINT",
    "finished_at_us": "BIGINT",
    "flow_hash": "VARCHAR",
    "targets": "VARCHAR[]",
    "jobs": "JSON",
    "cost_micro_usd": "BIGINT",
}
PROJECT_COLUMNS = {
    "seq": "BIGINT",
    "at_us": "BIGINT",
    "id": "VARCHAR",
    "name": "VARCHAR",
    "graph_state": "JSON",
    "variables": "JSON",
}

_VIEWS = (
    """
    CREATE VIEW projects AS
    SELECT id, name, graph_state, variables,
           make_timestamp(created_at_us) AS created_at, make_timestamp(at_us) AS updated_at
    FROM internal.projects
    """,
    """
    CREATE VIEW runs AS
    SELECT id, project_id, "user", status, make_timestamp(started_at_us) AS started_at,
           make_timestamp(finished_at_us) AS finished_at, flow_hash, targets, jobs,
           cost_micro_usd / 1e6 AS cost_computation
    FROM internal.runs
    """,
    """
    CREATE VIEW generations AS
    SELECT id, project_id, run_id, node_id, node_type, provider, model, served_by, prompt_snapshot,
           coalesce(settings_snapshot, '{}'::JSON) AS settings_snapshot, seed, coalesce(take, 0) AS take, content_key,
           coalesce(to_json(map(list_transform(coordinate, lambda pair: pair[1]),
                                list_transform(coordinate, lambda pair: pair[2]))), '{}'::JSON) AS axes,
           status, output_url,
           coalesce(map_values(outputs)[1]."value", map_values(outputs)[1].items[1]."value") AS output_value,
           cost_micro_usd / 1e6 AS cost_computation, estimate_micro_usd / 1e6 AS cost_estimate,
           make_timestamp(queued_at_us) AS queued_at, make_timestamp(started_at_us) AS started_at,
           make_timestamp(finished_at_us) AS finished_at, operation, error_code, error_message, flow_hash,
           estimate_low_micro_usd / 1e6 AS cost_estimate_low, coalesce(cost_is_exact, FALSE) AS cost_is_exact
    FROM internal.generations
    """,
    """
    CREATE VIEW internal.items AS
    SELECT generation_id, port, made_at_us,
           unnest(range(len(items)))::INTEGER AS "index", unnest(items) AS item
    FROM (SELECT generation_id, made_at_us, entry.key AS port,
                 coalesce(entry.value.items, [{asset: entry.value.asset, "value": entry.value."value"}]) AS items
          FROM (SELECT id AS generation_id, coalesce(finished_at_us, started_at_us, queued_at_us) AS made_at_us,
                       unnest(map_entries(outputs)) AS entry
                FROM internal.generations))
    """,
    """
    CREATE VIEW outputs AS
    SELECT generation_id, "index", port, item.asset.sha256 AS sha256, item."value" AS "value" FROM internal.items
    """,
    """
    CREATE VIEW inputs AS
    SELECT generation_id, entry.port AS port, entry."index" AS "index",
           CASE WHEN starts_with(entry.digest, 'asset:') THEN substr(entry.digest, 7) END AS sha256,
           entry.source_generation_id AS source_generation_id
    FROM (SELECT id AS generation_id, unnest(inputs) AS entry FROM internal.generations)
    """,
    """
    CREATE VIEW assets AS
    SELECT sha256, media_type, size_bytes, width, height, duration_s,
           'assets/' || left(sha256, 2) || '/' || sha256 || '.' || extension AS store_key,
           make_timestamp(made_at_us) AS created_at
    FROM (SELECT item.asset.sha256 AS sha256, any_value(item.asset.media_type) AS media_type,
                 any_value(item.asset.size_bytes) AS size_bytes, any_value(item.asset.width) AS width,
                 any_value(item.asset.height) AS height, any_value(item.asset.duration_s) AS duration_s,
                 min(made_at_us) AS made_at_us
          FROM internal.items WHERE item.asset.sha256 IS NOT NULL GROUP BY ALL)
    LEFT JOIN internal.extensions USING (media_type)
    """,
)

DERIVED_VIEWS = (
    """
    CREATE VIEW cost_by_day AS
    SELECT CAST(coalesce(finished_at, started_at, queued_at) AS DATE) AS day, provider, model,
           count(*) AS generations, sum(cost_computation) AS cost_computation
    FROM generations GROUP BY ALL ORDER BY day, provider, model
    """,
    """
    CREATE VIEW cost_by_model AS
    SELECT provider, model, count(*) AS generations, count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
           sum(cost_computation) AS cost_computation, avg(cost_computation) AS mean_cost
    FROM generations GROUP BY ALL ORDER BY cost_computation DESC NULLS LAST, provider, model
    """,
    """
    CREATE VIEW cost_against_estimate AS
    SELECT run_id, project_id, provider, model, count(*) AS generations, sum(cost_estimate_low) AS cost_estimate_low,
           sum(cost_estimate) AS cost_estimate, sum(cost_computation) AS cost_computation,
           sum(cost_computation) - sum(cost_estimate) AS over_estimate,
           count(*) FILTER (WHERE cost_computation > cost_estimate) AS dearer, min(queued_at) AS began_at
    FROM generations WHERE cost_estimate IS NOT NULL AND status = 'succeeded'
    GROUP BY ALL ORDER BY began_at DESC, provider, model
    """,
    """
    CREATE VIEW lineage AS
    SELECT inputs.generation_id, inputs.port, inputs."index", inputs.source_generation_id,
           child.node_id, child.model, parent.node_id AS source_node_id, parent.model AS source_model
    FROM inputs
    LEFT JOIN generations AS child ON child.id = inputs.generation_id
    LEFT JOIN generations AS parent ON parent.id = inputs.source_generation_id
    WHERE inputs.source_generation_id IS NOT NULL
    """,
)
"""Views over the other views only, so an exported file contains them too."""

TABLES = ("projects", "runs", "generations", "outputs", "inputs", "assets")


def create(connection: duckdb.DuckDBPyConnection) -> None:
    """Create all tables and views in an empty database."""
    connection.execute("CREATE SCHEMA internal")
    connection.execute(f"CREATE TABLE internal.generations ({_columns(GENERATION_COLUMNS)}, is_final BOOLEAN)")
    connection.execute(f"CREATE TABLE internal.operations ({_columns(OPERATION_COLUMNS)})")
    connection.execute(f"CREATE TABLE internal.runs ({_columns(RUN_COLUMNS)})")
    connection.execute(f"CREATE TABLE internal.projects ({_columns(PROJECT_COLUMNS)}, created_at_us BIGINT)")
    connection.execute("CREATE TABLE internal.extensions (media_type VARCHAR, extension VARCHAR)")
    connection.executemany("INSERT INTO internal.extensions VALUES (?, ?)", list(EXTENSIONS.items()))
    for view in (*_VIEWS, *DERIVED_VIEWS):
        connection.execute(view)


def as_json_columns(columns: dict[str, str]) -> str:
    """Return the columns in the syntax of `read_ndjson`; they are not user input."""
    return "{" + ", ".join(f"\"{name}\": '{kind}'" for name, kind in columns.items()) + "}"


def _columns(columns: dict[str, str]) -> str:
    return ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
