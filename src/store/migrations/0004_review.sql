-- Sessions that wait to be anonymized on their way to the archive, what checks found in each file, and
-- which commits still have a folder to remove.

ALTER TABLE sessions ADD COLUMN identified BIGINT NOT NULL DEFAULT 0;  -- 1: steps at archiving have not run
ALTER TABLE sessions ADD COLUMN archive_rule_set TEXT;                 -- what ran at archiving, if anything did

ALTER TABLE files ADD COLUMN findings TEXT;   -- JSON: what rules and the leak check said of it, no values

-- 1: the folder that the commit took its files from is gone.
ALTER TABLE commits ADD COLUMN swept BIGINT NOT NULL DEFAULT 0;
UPDATE commits SET swept = 1 WHERE finished IS NOT NULL;

DROP VIEW stored_files;
CREATE VIEW stored_files AS
    SELECT f.id, s.session, s.id AS scan_row, s.scan_id, r.id AS resource_id, r.label AS resource,
           f.name, f.sop_class, f.sop_uid, f.instance_number, f.size, f.digest, f.findings
    FROM files f
    JOIN commits c ON c.id = f.commit_id AND c.finished IS NOT NULL
    JOIN resources r ON r.id = f.resource
    JOIN scans s ON s.id = r.scan;
