-- Operations: keys that a project had before, and whose turn it is to do what one server does for all.

-- A project's pseudonym keys before its present one. Kept, so that a study stored under one of them is known
-- again, and so that pseudonyms of old can be derived.
CREATE TABLE project_keys (
    project       TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    generation    BIGINT NOT NULL,        -- 1 is the key that the project was made with
    pseudonym_key {bytes} NOT NULL,
    retired       BIGINT NOT NULL,
    retired_by    TEXT NOT NULL,
    PRIMARY KEY (project, generation)
);

-- A duty that one of several servers does: held until then, and last done.
CREATE TABLE turns (
    duty     TEXT NOT NULL PRIMARY KEY,
    holder   TEXT,
    until    BIGINT NOT NULL,
    done     BIGINT NOT NULL
);
CREATE INDEX requests_finished ON requests (finished);
CREATE INDEX audit_at ON audit (at);
