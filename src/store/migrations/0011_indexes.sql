-- What is asked for under the writer's lock, without going through what is over.

-- What each target is to be told next, and what it is being told.
DROP INDEX webhook_deliveries_due;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook, next_attempt) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_taken ON webhook_deliveries (webhook, lease_until) WHERE state = 'pending';

-- The requests that a project has running.
CREATE INDEX requests_unfinished ON requests (project, status) WHERE finished IS NULL;

-- The folders that finished commits may still have to remove.
CREATE INDEX commits_unswept ON commits (staging) WHERE swept = 0;
