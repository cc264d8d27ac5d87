-- The first schema. Types are those that every database behind sqlx's Any driver has: BIGINT and TEXT, with
-- two that are spelt per database: {id}, a row's number, never used again, and {bytes}.
-- Times are milliseconds since 1970 (UTC).

CREATE TABLE users (
    name      TEXT NOT NULL PRIMARY KEY,
    password  TEXT NOT NULL,              -- argon2, as a PHC string
    admin     BIGINT NOT NULL DEFAULT 0,
    enabled   BIGINT NOT NULL DEFAULT 1,
    email     TEXT NOT NULL DEFAULT '',
    firstname TEXT NOT NULL DEFAULT '',
    lastname  TEXT NOT NULL DEFAULT '',
    created   BIGINT NOT NULL
);

CREATE TABLE logins (
    token_hash {bytes} NOT NULL PRIMARY KEY, -- SHA-256 of the cookie: the table alone opens no session
    username   TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    created    BIGINT NOT NULL,
    expires    BIGINT NOT NULL
);
CREATE INDEX logins_username ON logins (username);

CREATE TABLE projects (
    id            TEXT NOT NULL PRIMARY KEY,
    name          TEXT NOT NULL DEFAULT '',
    description   TEXT NOT NULL DEFAULT '',
    created       BIGINT NOT NULL,
    created_by    TEXT NOT NULL,
    pseudonym_key {bytes} NOT NULL           -- 32 random bytes; lost with the project, so are all mappings
);
-- Folders carry the id, and some file systems ignore case.
CREATE UNIQUE INDEX projects_folded ON projects (lower(id));

CREATE TABLE roles (
    project  TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    username TEXT NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    role     TEXT NOT NULL,               -- owner, member, collaborator
    PRIMARY KEY (project, username)
);

CREATE TABLE subjects (
    id      {id},
    project TEXT NOT NULL REFERENCES projects (id),
    label   TEXT NOT NULL,
    created BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    UNIQUE (project, label)
);

CREATE TABLE requests (
    id           {id},
    username     TEXT NOT NULL,
    project      TEXT NOT NULL,
    parameters   TEXT NOT NULL,           -- JSON object, text to text
    session_path TEXT NOT NULL,
    status       TEXT NOT NULL,
    cleanup      BIGINT NOT NULL,
    resolution   TEXT,
    created      BIGINT NOT NULL,
    timestamp    BIGINT NOT NULL,
    started      BIGINT,
    finished     BIGINT,
    rule_set     TEXT,
    counts       TEXT NOT NULL DEFAULT '{}',
    bytes        BIGINT NOT NULL DEFAULT 0,
    worker       TEXT,
    lease_until  BIGINT,
    attempt      BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX requests_status ON requests (status, id);
CREATE INDEX requests_username ON requests (username, id);

-- Prearchive, quarantine and archive in one table: a session changes its state, not its row.
CREATE TABLE sessions (
    id            {id},
    project       TEXT NOT NULL REFERENCES projects (id),
    state         TEXT NOT NULL,          -- COMMITTING while its first commit runs: not visible
    timestamp     TEXT NOT NULL,          -- yyyyMMdd_HHmmssSSS, the prearchive folder
    folder        TEXT NOT NULL,
    subject       TEXT NOT NULL,
    label         TEXT NOT NULL,
    study_uid     TEXT NOT NULL,          -- as stored, so after anonymization
    study_key     TEXT NOT NULL,          -- keyed hash of the original Study Instance UID
    scan_date     TEXT,
    scan_time     TEXT,
    modality      TEXT NOT NULL,
    xsi_type      TEXT NOT NULL,
    request       BIGINT,                 -- the one that made it
    created       BIGINT NOT NULL,
    uploaded      BIGINT NOT NULL,
    lastmod       BIGINT NOT NULL,
    subject_id    BIGINT REFERENCES subjects (id),
    experiment    BIGINT UNIQUE,          -- its number in the archive: SLUICE_E00001
    archived      BIGINT,
    archived_by   TEXT,
    rule_set      TEXT,
    reason        TEXT,
    auto_archive  BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX sessions_label ON sessions (project, label);
CREATE INDEX sessions_study ON sessions (project, study_key);
CREATE INDEX sessions_request ON sessions (request);
CREATE UNIQUE INDEX sessions_folder ON sessions (project, timestamp, folder);
-- One experiment of a label in a project, whatever raced.
CREATE UNIQUE INDEX sessions_archived ON sessions (project, label) WHERE state = 'ARCHIVED';

-- Numbers given once: the archive's experiments.
CREATE TABLE counters (
    name  TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counters (name, value) VALUES ('experiment', 0);

-- (project, label) -> study, from the moment the label is first given.
CREATE TABLE labels (
    project   TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    label     TEXT NOT NULL,
    study_key TEXT NOT NULL,
    created   BIGINT NOT NULL,
    PRIMARY KEY (project, label)
);

-- A change of what is stored, written before the file system is touched and finished after it.
CREATE TABLE commits (
    id         {id},
    request    BIGINT,
    username   TEXT NOT NULL,
    session    BIGINT REFERENCES sessions (id) ON DELETE SET NULL,
    created_session BIGINT NOT NULL,      -- 1: abandoning it removes the session
    retires    BIGINT,                    -- the prearchive session it takes in
    outcome    TEXT NOT NULL,             -- the session's state once finished
    changes    TEXT NOT NULL,             -- JSON: the session's fields once finished
    staging    TEXT NOT NULL,
    final_path TEXT NOT NULL,
    details    TEXT NOT NULL,             -- JSON, the committing code's own
    created    BIGINT NOT NULL,
    finished   BIGINT
);
CREATE INDEX commits_request ON commits (request);
CREATE INDEX commits_session ON commits (session);
CREATE INDEX commits_pending ON commits (id) WHERE finished IS NULL;

CREATE TABLE scans (
    id          {id},
    session     BIGINT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    scan_id     TEXT NOT NULL,
    modality    TEXT NOT NULL,
    xsi_type    TEXT NOT NULL,
    series_uid  TEXT NOT NULL,
    description TEXT NOT NULL,
    UNIQUE (session, scan_id)
);

CREATE TABLE resources (
    id    {id},
    scan  BIGINT NOT NULL REFERENCES scans (id) ON DELETE CASCADE,
    label TEXT NOT NULL,
    UNIQUE (scan, label)
);

CREATE TABLE files (
    id              {id},
    resource        BIGINT NOT NULL REFERENCES resources (id) ON DELETE CASCADE,
    commit_id       BIGINT NOT NULL REFERENCES commits (id),
    name            TEXT NOT NULL,
    sop_class       TEXT NOT NULL,
    sop_uid         TEXT NOT NULL,
    instance_number TEXT,
    size            BIGINT NOT NULL,
    digest          TEXT,
    UNIQUE (resource, name, commit_id)
);
CREATE INDEX files_commit ON files (commit_id);

-- What a user may see: files whose commit is finished, with their place.
CREATE VIEW stored_files AS
    SELECT f.id, s.session, s.id AS scan_row, s.scan_id, r.id AS resource_id, r.label AS resource,
           f.name, f.sop_class, f.sop_uid, f.instance_number, f.size, f.digest
    FROM files f
    JOIN commits c ON c.id = f.commit_id AND c.finished IS NOT NULL
    JOIN resources r ON r.id = f.resource
    JOIN scans s ON s.id = r.scan;

-- Who did what, when, to which row. Ids only, never a value or a label.
CREATE TABLE audit (
    id       {id},
    at       BIGINT NOT NULL,
    username TEXT NOT NULL,
    action   TEXT NOT NULL,
    object   TEXT NOT NULL
);
