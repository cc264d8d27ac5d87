-- The few files that something was found in, for who looks at how the site does.

CREATE INDEX files_findings ON files (commit_id) WHERE findings IS NOT NULL;
