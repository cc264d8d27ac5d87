-- Processes that serve or work on this database, and what each of them holds.

CREATE TABLE instances (
    id      TEXT NOT NULL PRIMARY KEY, -- new at each start of a process
    host    TEXT NOT NULL,
    pid     BIGINT NOT NULL,
    workers BIGINT NOT NULL,           -- how many requests it runs at once
    started BIGINT NOT NULL,
    seen    BIGINT NOT NULL            -- when it last said that it lives
);

ALTER TABLE requests ADD COLUMN instance TEXT;
ALTER TABLE commits ADD COLUMN instance TEXT;

-- Whose turn it is: the project that was served longest ago.
CREATE INDEX requests_served ON requests (project, started);
