-- The sheets of a gift, in the order they were chosen. `open` while the gift waits: a sheet is in one open gift at most.
CREATE TABLE gift_sheet (
    gift_id uuid NOT NULL REFERENCES gift,
    place int NOT NULL CHECK (place > 0),
    certificate_id bigint NOT NULL REFERENCES certificate,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    open boolean NOT NULL DEFAULT true,
    PRIMARY KEY (gift_id, place),
    UNIQUE (gift_id, certificate_id)
);
INSERT INTO gift_sheet (gift_id, place, certificate_id, amount_minor, open)
    SELECT id, 1, certificate_id, amount_minor, state = 'offered' FROM gift;
CREATE UNIQUE INDEX gift_sheet_one_open ON gift_sheet (certificate_id) WHERE open;
CREATE INDEX gift_sheet_certificate ON gift_sheet (certificate_id);

-- All sheets of a gift are of one issuer. scheduled: in escrow, and nobody but the giver knows of it before `sends_at`.
-- `sent_at`: when the recipient was told; empty for a gift that was recalled before. The time to answer counts from then.
ALTER TABLE gift
    ADD issuer_id int REFERENCES issuer,
    ADD sends_at timestamptz,
    ADD sent_at timestamptz,
    ALTER lapses_at DROP NOT NULL;
UPDATE gift g SET issuer_id = c.issuer_id, sent_at = g.created_at FROM certificate c WHERE c.id = g.certificate_id;
ALTER TABLE gift
    ALTER issuer_id SET NOT NULL,
    DROP COLUMN certificate_id,
    DROP CONSTRAINT gift_state_check,
    ADD CHECK (state IN ('scheduled', 'offered', 'accepted', 'declined', 'lapsed', 'recalled')),
    ADD CHECK ((sent_at IS NULL) = (lapses_at IS NULL)),
    ADD CHECK (CASE state WHEN 'scheduled' THEN sent_at IS NULL AND sends_at IS NOT NULL
                          WHEN 'recalled' THEN true ELSE sent_at IS NOT NULL END);
CREATE INDEX gift_scheduled ON gift (sends_at) WHERE state = 'scheduled';
CREATE INDEX gift_open_giver ON gift (giver_id, created_at) WHERE state IN ('scheduled', 'offered');

-- What a giver who types a member's number sees of that member's name.
ALTER TABLE member ADD name_shown text NOT NULL DEFAULT 'masked' CHECK (name_shown IN ('full', 'masked', 'hidden'));

-- Whose phone is it? shown: a member of ours, whose name was shown (`name` is empty). The others are questions to the
-- network whether the phone is that person's. `due_at` is when a worker asks (empty: no more), a lease while it does.
CREATE TABLE name_check (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    msisdn text NOT NULL CHECK (msisdn ~ '^\+[0-9]{6,15}$'),
    name text NOT NULL CHECK (length(name) <= 40),
    asked_by bigint NOT NULL REFERENCES member,
    state text NOT NULL CHECK (state IN ('shown', 'new', 'asking', 'match', 'no_match', 'unknown')),
    attempt int NOT NULL DEFAULT 0,
    due_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock(),
    CHECK ((state = 'shown') = (name = ''))
);
CREATE INDEX name_check_due ON name_check (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX name_check_asked_by ON name_check (asked_by, created_at);
CREATE INDEX name_check_created ON name_check (created_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON gift_sheet, name_check TO giftline_app;
