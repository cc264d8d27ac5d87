-- What a running import is held up by, such as `disk`.

ALTER TABLE requests ADD COLUMN waiting TEXT;
