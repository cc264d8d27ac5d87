-- Every rule set that was ever active, with all its files, and which is active where.

CREATE TABLE rule_files (
    hash    TEXT NOT NULL PRIMARY KEY,    -- SHA-256 of the content
    content {bytes} NOT NULL
);

CREATE TABLE rule_sets (
    hash    TEXT NOT NULL PRIMARY KEY,
    created BIGINT NOT NULL
);

CREATE TABLE rule_set_files (
    rule_set TEXT NOT NULL REFERENCES rule_sets (hash) ON DELETE CASCADE,
    path     TEXT NOT NULL,
    file     TEXT NOT NULL REFERENCES rule_files (hash),
    PRIMARY KEY (rule_set, path)
);

-- The last one of a project is what its imports run under.
CREATE TABLE rule_activations (
    id       {id},
    project  TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    rule_set TEXT NOT NULL REFERENCES rule_sets (hash),
    draft    TEXT NOT NULL,               -- what the rules folder held then: as long as it still does, this stands
    at       BIGINT NOT NULL,
    username TEXT NOT NULL,
    reason   TEXT NOT NULL
);
CREATE INDEX rule_activations_project ON rule_activations (project, id);
