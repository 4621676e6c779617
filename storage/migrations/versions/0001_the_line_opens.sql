-- The clock of the product: the database's own, moved only by tests and the browser phones (giftline.clock_offset).
CREATE FUNCTION clock() RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT now() + coalesce(nullif(current_setting('giftline.clock_offset', true), ''), '0')::interval
$$;

---------------------------------------------------------------------------------------------------------------------
-- People. Every phone that ever met us is a row; it is a member once joined_at is set.
CREATE TABLE member (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    msisdn text NOT NULL UNIQUE CHECK (msisdn ~ '^\+[0-9]{6,15}$'),
    name text CHECK (length(name) BETWEEN 1 AND 40),
    language text NOT NULL DEFAULT 'en',
    pin_hash text,
    sms_provider text,
    joined_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock()
);

-- Attempts at PINs and codes: one row per guesser, raised before the guess is looked at, in a transaction of its own.
CREATE TABLE attempt_counter (
    scope text NOT NULL,
    subject text NOT NULL,
    failures int NOT NULL,
    since timestamptz NOT NULL,
    locked_until timestamptz,
    PRIMARY KEY (scope, subject)
);

---------------------------------------------------------------------------------------------------------------------
-- What can be bought and where it is accepted. Issuer is not acceptor.
CREATE TABLE issuer (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    prefix text NOT NULL UNIQUE CHECK (prefix ~ '^[A-Z]{2,4}$'),
    name text NOT NULL,
    kind text NOT NULL
);
CREATE INDEX issuer_kind ON issuer (kind);

CREATE TABLE denomination (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    issuer_id int NOT NULL REFERENCES issuer,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    fee_minor bigint NOT NULL DEFAULT 0 CHECK (fee_minor >= 0),
    currency text NOT NULL,
    UNIQUE (issuer_id, currency, amount_minor)
);

CREATE TABLE store (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    commission_bps int NOT NULL CHECK (commission_bps BETWEEN 0 AND 10000)
);

CREATE TABLE acceptance (
    store_id int NOT NULL REFERENCES store,
    issuer_id int NOT NULL REFERENCES issuer,
    PRIMARY KEY (store_id, issuer_id)
);

CREATE TABLE clerk (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    store_id int NOT NULL REFERENCES store,
    msisdn text NOT NULL UNIQUE CHECK (msisdn ~ '^\+[0-9]{6,15}$'),
    name text NOT NULL
);

---------------------------------------------------------------------------------------------------------------------
-- Purchases, certificates, gifts, codes, redemptions. Each id was minted before the question was asked.
CREATE TABLE purchase (
    id uuid PRIMARY KEY,
    reference text NOT NULL UNIQUE,
    buyer_id bigint NOT NULL REFERENCES member,
    denomination_id int NOT NULL REFERENCES denomination,
    sheets int NOT NULL CHECK (sheets > 0),
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    fee_minor bigint NOT NULL CHECK (fee_minor >= 0),
    currency text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock()
);
CREATE INDEX purchase_buyer ON purchase (buyer_id, created_at DESC);

-- Our request that a buyer pays. Rail phone_bill: a line on the buyer's next phone bill, run by the operator itself.
CREATE TABLE charge (
    id uuid PRIMARY KEY,
    rail text NOT NULL,
    payer_id bigint NOT NULL REFERENCES member,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text NOT NULL,
    state text NOT NULL CHECK (state IN ('completed')),
    created_at timestamptz NOT NULL DEFAULT clock()
);
CREATE INDEX charge_payer ON charge (payer_id, created_at DESC);

CREATE TABLE certificate (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    serial text NOT NULL UNIQUE,
    issuer_id int NOT NULL REFERENCES issuer,
    purchase_id uuid NOT NULL REFERENCES purchase,
    holder_id bigint NOT NULL REFERENCES member,
    face_minor bigint NOT NULL CHECK (face_minor > 0),
    currency text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock()
);
CREATE INDEX certificate_holder ON certificate (holder_id, id);
CREATE INDEX certificate_purchase ON certificate (purchase_id);

CREATE TABLE gift (
    id uuid PRIMARY KEY,
    reference text NOT NULL UNIQUE,
    certificate_id bigint NOT NULL REFERENCES certificate,
    giver_id bigint NOT NULL REFERENCES member,
    recipient_id bigint NOT NULL REFERENCES member,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text NOT NULL,
    note text NOT NULL CHECK (length(note) <= 80),
    state text NOT NULL DEFAULT 'offered' CHECK (state IN ('offered', 'accepted', 'declined', 'lapsed')),
    created_at timestamptz NOT NULL DEFAULT clock(),
    lapses_at timestamptz NOT NULL,
    answered_at timestamptz,
    CHECK (giver_id <> recipient_id)
);
CREATE UNIQUE INDEX gift_one_open_offer ON gift (certificate_id) WHERE state = 'offered';
CREATE INDEX gift_open_recipient ON gift (recipient_id, created_at) WHERE state = 'offered';
CREATE INDEX gift_lapsing ON gift (lapses_at) WHERE state = 'offered';
CREATE INDEX gift_giver ON gift (giver_id, created_at DESC);
CREATE INDEX gift_recipient ON gift (recipient_id, created_at DESC);

-- One-time redemption codes: only the keyed hash is kept; one live code per holder.
CREATE TABLE redemption_code (
    id uuid PRIMARY KEY,
    digest bytea NOT NULL,
    key_id text NOT NULL,
    holder_id bigint NOT NULL REFERENCES member,
    certificate_id bigint NOT NULL REFERENCES certificate,
    limit_minor bigint CHECK (limit_minor > 0),
    state text NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'used', 'voided')),
    created_at timestamptz NOT NULL DEFAULT clock(),
    expires_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX redemption_code_live ON redemption_code (digest) WHERE state = 'live';
CREATE UNIQUE INDEX redemption_code_one_live ON redemption_code (holder_id) WHERE state = 'live';

CREATE TABLE redemption (
    id uuid PRIMARY KEY,
    reference text NOT NULL UNIQUE,
    code_id uuid NOT NULL UNIQUE REFERENCES redemption_code,
    certificate_id bigint NOT NULL REFERENCES certificate,
    holder_id bigint NOT NULL REFERENCES member,
    store_id int NOT NULL REFERENCES store,
    clerk_id int NOT NULL REFERENCES clerk,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    commission_minor bigint NOT NULL CHECK (commission_minor >= 0),
    currency text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock()
);
CREATE INDEX redemption_certificate ON redemption (certificate_id, created_at DESC);
CREATE INDEX redemption_holder ON redemption (holder_id, created_at DESC);
CREATE INDEX redemption_code_digest ON redemption_code (digest);
CREATE INDEX redemption_clerk ON redemption (clerk_id, created_at DESC);

---------------------------------------------------------------------------------------------------------------------
-- The ledger. Debits are positive, credits negative; entries and postings are never edited or deleted.
CREATE TABLE account (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL,
    owner text NOT NULL DEFAULT '',
    currency text NOT NULL,
    UNIQUE (code, owner, currency)
);

CREATE TABLE journal_entry (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    operation_id text NOT NULL UNIQUE,
    kind text NOT NULL,
    currency text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock()
);

CREATE TABLE posting (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry_id bigint NOT NULL REFERENCES journal_entry,
    account_id bigint NOT NULL REFERENCES account,
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0)
);
CREATE INDEX posting_entry ON posting (entry_id);
CREATE INDEX posting_account ON posting (account_id);

-- Guarded balances: what is owed on one certificate, offer or hold; never below zero. They stand apart from the table
-- that postings refer to, so that a foreign key check never walks the dead versions of a busy balance.
CREATE TABLE balance (
    account_id bigint PRIMARY KEY REFERENCES account,
    amount_minor bigint NOT NULL CONSTRAINT balance_not_negative CHECK (amount_minor >= 0)
);

CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % on % is refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON journal_entry FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON posting FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON journal_entry FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON posting FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();

-- Posts one journal entry in one call. Returns true when it was posted now, false when this operation id was posted
-- before (nothing is done twice). Accounts 2100, 2110 and 2120 carry a guarded balance (credits less debits).
-- Planned once a session and by index: planning anew costs more than posting, and statistics that are still those of an
-- empty table must not lead to reading all of a large one.
CREATE FUNCTION post_entry(p_operation text, p_kind text, p_currency text, p_codes text[], p_owners text[], p_amounts bigint[])
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
DECLARE
    v_entry bigint;
    v_kind text;
    v_accounts bigint[];
    v_account bigint;
    v_change bigint;
BEGIN
    IF (SELECT sum(a) FROM unnest(p_amounts) a) IS DISTINCT FROM 0 THEN
        RAISE EXCEPTION 'entry % does not balance', p_kind USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO journal_entry (operation_id, kind, currency) VALUES (p_operation, p_kind, p_currency)
        ON CONFLICT (operation_id) DO NOTHING RETURNING id INTO v_entry;
    IF v_entry IS NULL THEN
        SELECT kind INTO v_kind FROM journal_entry WHERE operation_id = p_operation;
        IF v_kind <> p_kind THEN
            RAISE EXCEPTION 'operation % was posted as %, not %', p_operation, v_kind, p_kind USING ERRCODE = 'unique_violation';
        END IF;
        RETURN false;
    END IF;
    LOOP
        SELECT array_agg(a.id ORDER BY l.place) INTO v_accounts
            FROM unnest(p_codes, p_owners) WITH ORDINALITY AS l(code, owner, place)
            JOIN account a ON (a.code, a.owner, a.currency) = (l.code, l.owner, p_currency);
        EXIT WHEN cardinality(v_accounts) = cardinality(p_codes);
        INSERT INTO account (code, owner, currency)
            SELECT DISTINCT l.code, l.owner, p_currency FROM unnest(p_codes, p_owners) AS l(code, owner) ORDER BY 1, 2
            ON CONFLICT DO NOTHING;
    END LOOP;
    INSERT INTO posting (entry_id, account_id, amount_minor)
        SELECT v_entry, l.account_id, l.amount FROM unnest(v_accounts, p_amounts) AS l(account_id, amount);
    -- In account order, so that two entries over the same accounts cannot deadlock.
    FOR v_account, v_change IN
        SELECT l.account_id, -sum(l.amount) FROM unnest(p_codes, v_accounts, p_amounts) AS l(code, account_id, amount)
        WHERE l.code IN ('2100', '2110', '2120') GROUP BY 1 ORDER BY 1
    LOOP
        UPDATE balance SET amount_minor = amount_minor + v_change WHERE account_id = v_account;
        IF NOT FOUND THEN
            INSERT INTO balance AS b (account_id, amount_minor) VALUES (v_account, v_change)
                ON CONFLICT (account_id) DO UPDATE SET amount_minor = b.amount_minor + excluded.amount_minor;
        END IF;
    END LOOP;
    RETURN true;
END $$;

---------------------------------------------------------------------------------------------------------------------
-- Messages. The inbox remembers what was answered; the outbox what must still be sent.
CREATE TABLE inbox (
    provider text NOT NULL,
    key text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    reply bytea,
    PRIMARY KEY (provider, key)
);
CREATE INDEX inbox_received ON inbox (received_at);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider text NOT NULL,
    msisdn text NOT NULL,
    language text NOT NULL DEFAULT 'en',
    sentence text NOT NULL,
    holes jsonb NOT NULL DEFAULT '{}',
    secret boolean NOT NULL DEFAULT false,
    state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'claimed', 'sent', 'delivered', 'undelivered', 'failed')),
    attempt int NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    provider_id text,
    error_code text NOT NULL DEFAULT ''
);
CREATE INDEX outbox_due ON outbox (due_at, id) WHERE state IN ('queued', 'claimed');
CREATE UNIQUE INDEX outbox_provider_id ON outbox (provider, provider_id) WHERE provider_id IS NOT NULL;

-- Every receipt a provider ever sent, in the order it came.
CREATE TABLE receipt (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider text NOT NULL,
    provider_id text NOT NULL,
    outbox_id bigint,
    state text NOT NULL,
    error_code text NOT NULL DEFAULT '',
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX receipt_provider_id ON receipt (provider, provider_id);

-- A person's place in their conversation as of the last turn that wrote SQL; Redis holds the newest.
CREATE TABLE conversation (
    person bytea PRIMARY KEY,
    version bigint NOT NULL,
    body bytea NOT NULL,
    saved_at timestamptz NOT NULL DEFAULT clock()
);
CREATE INDEX conversation_saved ON conversation (saved_at);

-- Takes one message: locks its person's conversation and files it in the inbox. `fresh` is false when it was answered
-- before: then `reply` is what was said. `version` and `body` are the person's place (0 and empty when none).
CREATE FUNCTION take_message(p_provider text, p_key text, p_person bytea)
RETURNS TABLE (fresh boolean, reply bytea, version bigint, body bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO conversation (person, version, body) VALUES (p_person, 0, '') ON CONFLICT DO NOTHING;
    SELECT c.version, c.body INTO version, body FROM conversation c WHERE c.person = p_person FOR UPDATE;
    INSERT INTO inbox (provider, key) VALUES (p_provider, p_key) ON CONFLICT DO NOTHING;
    fresh := FOUND;
    IF NOT fresh THEN
        SELECT i.reply INTO reply FROM inbox i WHERE i.provider = p_provider AND i.key = p_key;
    END IF;
    RETURN NEXT;
END $$;

---------------------------------------------------------------------------------------------------------------------
-- The role the product works under: it can post, and can neither edit nor delete what was posted.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'giftline_app') THEN
        CREATE ROLE giftline_app NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; -- another database of this server was quicker
END $$;
DO $$ BEGIN
    IF NOT pg_has_role(current_user, 'giftline_app', 'MEMBER') THEN
        GRANT giftline_app TO current_user;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO giftline_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO giftline_app;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON account, journal_entry, posting, balance FROM giftline_app;
REVOKE EXECUTE ON FUNCTION post_entry(text, text, text, text[], text[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION post_entry(text, text, text, text[], text[], bigint[]) TO giftline_app;
