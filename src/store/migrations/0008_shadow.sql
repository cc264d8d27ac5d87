-- What came of a candidate that ran beside an import's rules.

CREATE TABLE shadow_runs (
    request   BIGINT NOT NULL PRIMARY KEY REFERENCES requests (id) ON DELETE CASCADE,
    project   TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    candidate TEXT NOT NULL,              -- the candidate's hash; empty if it can't be used
    at        BIGINT NOT NULL,
    counts    TEXT NOT NULL               -- JSON
);
CREATE INDEX shadow_runs_project ON shadow_runs (project, request);
