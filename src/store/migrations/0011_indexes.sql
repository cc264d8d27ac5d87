-- What is asked for under the writer's lock, without going through what is over.

-- What each target is to be told next, and what it is being told.
DROP INDEX webhook_deliveries_due;
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook, next_attempt) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_taken ON webhook_deliveries (webhook, lease_until) WHERE state = 'pending';
