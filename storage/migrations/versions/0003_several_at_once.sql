-- A code carries one certificate or several. They are spent in the order of `place`: what ends soonest first.
CREATE TABLE code_certificate (
    code_id uuid NOT NULL REFERENCES redemption_code,
    place int NOT NULL CHECK (place > 0),
    certificate_id bigint NOT NULL REFERENCES certificate,
    PRIMARY KEY (code_id, place),
    UNIQUE (code_id, certificate_id)
);
INSERT INTO code_certificate (code_id, place, certificate_id) SELECT id, 1, certificate_id FROM redemption_code;
ALTER TABLE redemption_code DROP certificate_id;

-- A use is held (authorised) until `hold_until`, then captured in whole or part, voided or timed out; a capture may be
-- reversed, or given back in parts. `amount_minor` is what was held; what was not captured went back at once.
ALTER TABLE redemption
    ADD state text NOT NULL DEFAULT 'captured' CHECK (state IN ('authorised', 'captured', 'voided', 'timed out', 'reversed')),
    ADD captured_minor bigint NOT NULL DEFAULT 0,
    ADD returned_minor bigint NOT NULL DEFAULT 0,
    ADD commission_returned_minor bigint NOT NULL DEFAULT 0,
    ADD hold_until timestamptz,
    ADD ended_at timestamptz;
UPDATE redemption SET captured_minor = amount_minor, hold_until = created_at, ended_at = created_at;
ALTER TABLE redemption
    ALTER state DROP DEFAULT,
    ALTER hold_until SET NOT NULL,
    ALTER commission_minor SET DEFAULT 0,
    ADD CHECK (returned_minor >= 0 AND returned_minor <= captured_minor AND captured_minor <= amount_minor),
    ADD CHECK (commission_returned_minor BETWEEN 0 AND commission_minor AND commission_minor <= captured_minor),
    ADD CHECK ((state IN ('captured', 'reversed')) = (captured_minor > 0)),
    ADD CHECK (state <> 'reversed' OR (returned_minor = captured_minor AND commission_returned_minor = commission_minor)),
    ADD CHECK ((state = 'authorised') = (ended_at IS NULL));
CREATE INDEX redemption_held ON redemption (hold_until) WHERE state = 'authorised';

-- What each certificate paid of a use.
CREATE TABLE redemption_part (
    redemption_id uuid NOT NULL REFERENCES redemption,
    place int NOT NULL CHECK (place > 0),
    certificate_id bigint NOT NULL REFERENCES certificate,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    captured_minor bigint NOT NULL DEFAULT 0,
    returned_minor bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (redemption_id, place),
    UNIQUE (redemption_id, certificate_id),
    CHECK (returned_minor >= 0 AND returned_minor <= captured_minor AND captured_minor <= amount_minor)
);
CREATE INDEX redemption_part_certificate ON redemption_part (certificate_id);
INSERT INTO redemption_part (redemption_id, place, certificate_id, amount_minor, captured_minor)
    SELECT id, 1, certificate_id, amount_minor, amount_minor FROM redemption;
ALTER TABLE redemption DROP certificate_id;

-- What a store gave back of a use it had captured; a reversal has the id of its use.
CREATE TABLE store_return (
    id uuid PRIMARY KEY,
    redemption_id uuid NOT NULL REFERENCES redemption,
    outcome text NOT NULL CHECK (outcome IN ('refunded', 'reversed')),
    clerk_id int NOT NULL REFERENCES clerk,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    commission_minor bigint NOT NULL CHECK (commission_minor BETWEEN 0 AND amount_minor),
    currency text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock()
);
CREATE INDEX store_return_redemption ON store_return (redemption_id);

-- Uses that a store undid before we had heard of them: should one still arrive, it is refused.
CREATE TABLE redemption_tombstone (
    use_id uuid NOT NULL,
    store_id int NOT NULL REFERENCES store,
    clerk_id int NOT NULL REFERENCES clerk,
    created_at timestamptz NOT NULL DEFAULT clock(),
    PRIMARY KEY (use_id, store_id)
);

-- A certificate made for value that came back when the one it was used from had been given away, or was over.
ALTER TABLE certificate ADD returned_from bigint REFERENCES certificate;
CREATE INDEX certificate_returned_from ON certificate (returned_from) WHERE returned_from IS NOT NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON code_certificate, redemption_part, store_return, redemption_tombstone TO giftline_app;
