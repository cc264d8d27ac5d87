-- Following and steering a request: cancelling, retrying, calls that may be repeated, and notices of its end.

-- When its cancelling was asked for; the audit says by whom.
ALTER TABLE requests ADD COLUMN cancel_asked BIGINT;
ALTER TABLE requests ADD COLUMN retry_of BIGINT;
ALTER TABLE requests ADD COLUMN retried_as BIGINT;

-- Calls that bore an Idempotency-Key: hashes only, for a parameter may name a patient.
CREATE TABLE idempotency_keys (
    key_hash   {bytes} NOT NULL PRIMARY KEY, -- of user and key
    call_hash  {bytes} NOT NULL,             -- of the parameters
    request    BIGINT NOT NULL,
    created    BIGINT NOT NULL
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created);

-- Whom the end of a request is told.
CREATE TABLE webhooks (
    id         {id},
    url        TEXT NOT NULL,
    project    TEXT NOT NULL DEFAULT '',  -- empty: of every project
    secret     TEXT NOT NULL,             -- signs the notices; shown once, when it was made
    enabled    BIGINT NOT NULL DEFAULT 1,
    created    BIGINT NOT NULL,
    created_by TEXT NOT NULL
);

-- The outbox: written with the change that a notice tells of, sent by whichever server takes its lease.
CREATE TABLE webhook_deliveries (
    id           {id},
    webhook      BIGINT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event        TEXT NOT NULL,
    request      BIGINT,
    content      TEXT NOT NULL,           -- JSON: what is sent, but for the delivery's own fields
    state        TEXT NOT NULL,           -- pending, delivered, failed
    attempts     BIGINT NOT NULL DEFAULT 0,
    created      BIGINT NOT NULL,
    next_attempt BIGINT NOT NULL,
    lease_until  BIGINT NOT NULL DEFAULT 0,
    answered     BIGINT,                  -- the HTTP status of the last attempt's answer
    problem      TEXT,                    -- why the last attempt failed, as a code
    ended        BIGINT
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (state, next_attempt);
CREATE INDEX webhook_deliveries_webhook ON webhook_deliveries (webhook, id);
