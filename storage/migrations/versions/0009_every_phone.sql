---------------------------------------------------------------------------------------------------------------------
-- MESSAGES: a row of the outbox may leave in several forms, by several providers, to a phone or to an e-mail address.
ALTER TABLE outbox RENAME msisdn TO address;
ALTER TABLE outbox
    ADD form text NOT NULL DEFAULT 'sms' CHECK (form IN ('sms', 'mms', 'voice', 'email')),
    -- What the person could say no to: answers and receipts are wanted, gifts of others and reminders may not be.
    ADD purpose text NOT NULL DEFAULT 'service' CHECK (purpose IN ('answer', 'service', 'gift', 'reminder')),
    -- The gift of which this tells its recipient; when it cannot be delivered, the next form or the giver's choice follows.
    ADD gift_id uuid REFERENCES gift,
    -- Names of what goes with it (table media).
    ADD enclosed text[] NOT NULL DEFAULT '{}',
    -- When its provider was asked to send it and did not answer: it may have taken it, so it is looked up there first.
    ADD asked_at timestamptz,
    -- Providers that had it since it was last put off and could not send it; it was passed on to the next of its route.
    ADD passed text[] NOT NULL DEFAULT '{}',
    -- The row that this one says again, once, because it did not arrive.
    ADD repeats bigint REFERENCES outbox,
    -- When its failure was followed up: tried again as a new row, sent in another form, or told to the giver.
    ADD followed_at timestamptz,
    ADD ended_at timestamptz;
-- Failures from before there was a follow-up stay as they are.
UPDATE outbox SET followed_at = now() WHERE state IN ('failed', 'undelivered');
CREATE INDEX outbox_gift ON outbox (gift_id, id) WHERE gift_id IS NOT NULL;
CREATE INDEX outbox_to_follow ON outbox (id)
    WHERE followed_at IS NULL AND state IN ('failed', 'undelivered');
CREATE OR REPLACE FUNCTION record_receipt(p_provider text, p_provider_id text, p_outbox_id bigint, p_state text, p_error_code text)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_ranks constant text[] := ARRAY['sent', 'failed', 'undelivered', 'delivered'];
BEGIN
    INSERT INTO receipt (provider, provider_id, outbox_id, state, error_code)
        VALUES (p_provider, p_provider_id, nullif(p_outbox_id, 0), p_state, p_error_code);
    UPDATE outbox AS o
        SET state = p_state, error_code = p_error_code, sent_at = coalesce(o.sent_at, clock()),
            ended_at = CASE WHEN p_state = 'sent' THEN o.ended_at ELSE clock() END,
            sentence = CASE WHEN o.secret THEN '' ELSE o.sentence END,
            holes = CASE WHEN o.secret THEN '{}' ELSE o.holes END
        WHERE o.provider = p_provider
          AND (o.id = nullif(p_outbox_id, 0) OR (p_outbox_id = 0 AND o.provider_id = p_provider_id))
          AND coalesce(array_position(v_ranks, o.state), 0) < coalesce(array_position(v_ranks, p_state), 0)
          AND (p_state IN ('sent', 'delivered') OR coalesce(o.provider_id, p_provider_id) = p_provider_id);
    RETURN FOUND;
END $$;
-- What a phone has not been sent yet: no worker sends a later text while another has an earlier one in hand.
CREATE INDEX outbox_waiting ON outbox (address, id) WHERE state IN ('queued', 'claimed');
CREATE INDEX outbox_repeats ON outbox (repeats) WHERE repeats IS NOT NULL;

---------------------------------------------------------------------------------------------------------------------
-- GIFTS by e-mail: the recipient is an address until they name the phone on which they will hold the gift.
ALTER TABLE gift ALTER recipient_id DROP NOT NULL,
    ADD recipient_email text CHECK (length(recipient_email) <= 254),
    -- How often whoever reads that mail named the phone on which they will hold it.
    ADD times_named int NOT NULL DEFAULT 0,
    ADD CHECK (recipient_id IS NOT NULL OR recipient_email IS NOT NULL),
    ADD CHECK (recipient_id IS NOT NULL OR state <> 'accepted');

---------------------------------------------------------------------------------------------------------------------
-- CONTENTS: ringtones, music, cards, characters and songs that are packed with a gift, made into renditions at import.
CREATE TABLE content (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE,
    kind text NOT NULL CHECK (kind IN ('ringtone', 'music', 'card', 'character', 'song')),
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 30),
    source text NOT NULL DEFAULT '', -- the outside provider it came from; empty: ours
    withdrawn boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock()
);
CREATE INDEX content_kind ON content (kind, title) WHERE NOT withdrawn;

CREATE TABLE rendition (
    content_id int NOT NULL REFERENCES content,
    mime text NOT NULL,
    rung int NOT NULL, -- 0 is the largest
    body bytea NOT NULL,
    PRIMARY KEY (content_id, mime, rung)
);

CREATE TABLE gift_content (
    gift_id uuid NOT NULL REFERENCES gift,
    place int NOT NULL,
    content_id int NOT NULL REFERENCES content,
    PRIMARY KEY (gift_id, place)
);

-- What can be fetched by a link: its name is 128 random bits; the picture itself is composed when it is asked for.
CREATE TABLE media (
    name text PRIMARY KEY CHECK (name ~ '^[A-Za-z0-9_-]{22}$'),
    kind text NOT NULL CHECK (kind IN ('page', 'card', 'sound', 'barcode')),
    gift_id uuid REFERENCES gift, -- none: the piece is shown to who may pack it
    content_id int REFERENCES content, -- of a sound
    rung int NOT NULL DEFAULT 0, -- how small: after "too large for that network" the next is tried
    by_mail boolean NOT NULL DEFAULT false, -- a page that answers: it went to the gift's e-mail address
    expires_at timestamptz NOT NULL,
    CHECK (gift_id IS NOT NULL OR (kind IN ('card', 'sound') AND content_id IS NOT NULL))
);
CREATE INDEX media_gift ON media (gift_id);
CREATE INDEX media_expires ON media (expires_at);

---------------------------------------------------------------------------------------------------------------------
-- WISHES: what people said no to. `sender` is the provider whose number they wrote to; purpose `all` is everything.
CREATE TABLE opt_out (
    address text NOT NULL,
    sender text NOT NULL,
    purpose text NOT NULL CHECK (purpose IN ('all', 'gift', 'reminder')),
    created_at timestamptz NOT NULL DEFAULT clock(),
    PRIMARY KEY (address, sender, purpose)
);

---------------------------------------------------------------------------------------------------------------------
-- LIMITS: how many texts went out on a day, in all and by range of numbers. Raised in the transaction that files or claims.
CREATE TABLE sending_tally (
    day date NOT NULL,
    scope text NOT NULL,
    subject text NOT NULL,
    count int NOT NULL,
    PRIMARY KEY (day, scope, subject)
);

-- Up to when a provider's list of texts to us was read: what its webhook never brought is found there.
CREATE TABLE poll_mark (
    provider text PRIMARY KEY,
    read_until timestamptz NOT NULL,
    read_to text NOT NULL DEFAULT '' -- the number of the last text read, where a provider numbers them
);

---------------------------------------------------------------------------------------------------------------------
-- BEARER: the code in pictures and on pages. It names a certificate and its holder, and alone it pays nothing.
CREATE TABLE bearer_code (
    id uuid PRIMARY KEY,
    digest bytea NOT NULL UNIQUE,
    key_id text NOT NULL,
    certificate_id bigint NOT NULL REFERENCES certificate,
    holder_id bigint NOT NULL REFERENCES member,
    created_at timestamptz NOT NULL DEFAULT clock(),
    UNIQUE (certificate_id, holder_id)
);

-- A shop asks the holder, who agrees on their own phone or does not.
CREATE TABLE payment_request (
    id uuid PRIMARY KEY,
    certificate_id bigint NOT NULL REFERENCES certificate,
    holder_id bigint NOT NULL REFERENCES member,
    clerk_id int NOT NULL REFERENCES clerk,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text NOT NULL,
    state text NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'agreed', 'refused', 'lapsed')),
    created_at timestamptz NOT NULL DEFAULT clock(),
    expires_at timestamptz NOT NULL,
    answered_at timestamptz
);
CREATE UNIQUE INDEX payment_request_one_open ON payment_request (holder_id) WHERE state = 'asked';
CREATE INDEX payment_request_lapsing ON payment_request (expires_at) WHERE state = 'asked';
CREATE INDEX payment_request_clerk ON payment_request (clerk_id, created_at);

---------------------------------------------------------------------------------------------------------------------
-- LADDER: what is known of a gift's way to its recipient, as its giver may hear it: by the product's clock, as gifts are.
ALTER TABLE outbox ALTER created_at SET DEFAULT clock();
ALTER TABLE gift
    -- Why its recipient could not be told of it; empty while they were, or nobody knows yet.
    ADD unreached text NOT NULL DEFAULT '',
    -- Since when its giver is asked what to do about that; empty once they chose.
    ADD giver_asked_at timestamptz,
    -- When its recipient is to be called: texts did not reach them, and it was no hour to call.
    ADD call_at timestamptz;
CREATE INDEX gift_giver_asked ON gift (giver_id) WHERE giver_asked_at IS NOT NULL AND state = 'offered';
CREATE INDEX gift_to_call ON gift (call_at) WHERE call_at IS NOT NULL AND state = 'offered';

-- Gifts that went on to another number before they were answered: who had them before, and when they left them.
CREATE TABLE gift_redirect (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gift_id uuid NOT NULL REFERENCES gift,
    recipient_id bigint REFERENCES member, -- empty: an e-mail address
    created_at timestamptz NOT NULL DEFAULT clock()
);
CREATE INDEX gift_redirect_gift ON gift_redirect (gift_id, created_at);
GRANT SELECT, INSERT ON gift_redirect TO giftline_web, giftline_worker;
GRANT UPDATE (recipient_email, unreached, giver_asked_at, call_at) ON gift TO giftline_web, giftline_worker;
GRANT SELECT (unreached) ON gift TO giftline_console; -- bin/giftline gifts status
GRANT UPDATE (expires_at) ON media TO giftline_web; -- whoever had the gift before sees no more of it

---------------------------------------------------------------------------------------------------------------------
-- Rights.
GRANT INSERT (form, purpose, gift_id, enclosed, due_at) ON outbox TO giftline_web, giftline_worker, giftline_console;
GRANT SELECT (gift_id, id, form, state, error_code, sent_at, ended_at, created_at, provider) ON outbox TO giftline_web;
GRANT INSERT (repeats), UPDATE (provider, form, enclosed, asked_at, passed, followed_at, ended_at) ON outbox TO giftline_worker;
GRANT INSERT (recipient_email) ON gift TO giftline_web, giftline_worker, giftline_console;
GRANT UPDATE (recipient_id, times_named) ON gift TO giftline_web, giftline_worker;
GRANT SELECT ON content, rendition, gift_content TO giftline_web, giftline_worker, giftline_console;
GRANT INSERT ON content, rendition TO giftline_console;
GRANT UPDATE (title, withdrawn, source) ON content TO giftline_console;
GRANT DELETE ON rendition TO giftline_console;
GRANT INSERT ON gift_content TO giftline_web;
GRANT SELECT, INSERT ON media TO giftline_web, giftline_worker, giftline_console;
GRANT DELETE ON media TO giftline_worker;
GRANT SELECT, INSERT, DELETE ON opt_out TO giftline_web;
GRANT SELECT, INSERT ON opt_out TO giftline_worker;
GRANT SELECT ON opt_out TO giftline_console;
GRANT SELECT, INSERT, UPDATE (count) ON sending_tally TO giftline_web, giftline_worker, giftline_console;
GRANT DELETE ON sending_tally TO giftline_worker;
GRANT SELECT, INSERT, UPDATE (read_until, read_to) ON poll_mark TO giftline_web;
GRANT SELECT, INSERT ON bearer_code, payment_request TO giftline_web;
GRANT UPDATE (state, answered_at) ON payment_request TO giftline_web;
