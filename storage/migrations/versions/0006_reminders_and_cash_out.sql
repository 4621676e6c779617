-- What a holder was told about the end of a certificate: `days` before its last day, or 0: that it has ended. Each once for
-- each last day, which an extension moves. `told_on` is empty while it is still to be told.
CREATE TABLE reminder (
    certificate_id bigint NOT NULL REFERENCES certificate,
    expires_on date NOT NULL,
    days int NOT NULL CHECK (days >= 0),
    holder_id bigint NOT NULL REFERENCES member,
    told_on date,
    PRIMARY KEY (certificate_id, expires_on, days)
);
CREATE INDEX reminder_told ON reminder (holder_id, told_on);
CREATE INDEX reminder_to_tell ON reminder (holder_id) WHERE told_on IS NULL;

-- Each extension that was asked for, by the id of its operation.
CREATE TABLE extension (
    id uuid PRIMARY KEY,
    certificate_id bigint NOT NULL REFERENCES certificate,
    holder_id bigint NOT NULL REFERENCES member,
    ended_on date NOT NULL,
    ends_on date NOT NULL CHECK (ends_on > ended_on),
    created_at timestamptz NOT NULL DEFAULT clock()
);
CREATE INDEX extension_certificate ON extension (certificate_id);

-- What of a lost chargeback neither held value nor our fee paid. Value that comes back to the buyer later makes it smaller.
ALTER TABLE dispute ADD loss_minor bigint NOT NULL DEFAULT 0 CHECK (loss_minor >= 0);
CREATE INDEX dispute_unpaid ON dispute (id) WHERE state = 'open' OR loss_minor > 0;

-- Certificates from before there were laws are under the first version of the house's own.
UPDATE certificate SET law = 'house-2010-01-01' WHERE law = 'house';

GRANT SELECT, INSERT, UPDATE, DELETE ON reminder, extension TO giftline_app;
