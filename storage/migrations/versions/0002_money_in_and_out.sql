-- Orders. A purchase is ordered before it is paid; what is paid at once (the operator's own phone bill) is issued at once.
ALTER TABLE purchase
    ADD rail text NOT NULL DEFAULT 'phone_bill',
    ADD state text NOT NULL DEFAULT 'issued' CHECK (state IN ('ordered', 'issued', 'failed', 'refunded')),
    ADD issued_at timestamptz;
UPDATE purchase SET issued_at = created_at;
ALTER TABLE purchase ADD CHECK ((state IN ('issued', 'refunded')) = (issued_at IS NOT NULL));
ALTER TABLE purchase ALTER rail DROP DEFAULT, ALTER state DROP DEFAULT;

-- Charges: our requests that a buyer pays. `due_at` is when the worker looks at one again (empty: never); a lease while
-- it is being asked. `lapsed`: we gave up waiting and told the payer so, and still look whether it was paid after all.
ALTER TABLE charge DROP CONSTRAINT charge_state_check;
UPDATE charge SET state = 'paid';
ALTER TABLE charge
    ADD CHECK (state IN ('new', 'asking', 'unknown', 'pending', 'needs_code', 'paid', 'failed', 'lapsed')),
    ADD purchase_id uuid REFERENCES purchase,
    ADD group_part_id uuid,
    ADD gift_list_id uuid,
    ADD reference text NOT NULL DEFAULT '',
    ADD handle text NOT NULL DEFAULT '',
    ADD receipt text NOT NULL DEFAULT '',
    ADD reason text NOT NULL DEFAULT '',
    ADD link text NOT NULL DEFAULT '',
    ADD code bytea,
    ADD disputed boolean NOT NULL DEFAULT false,
    ADD attempt int NOT NULL DEFAULT 0,
    ADD due_at timestamptz,
    ADD deadline_at timestamptz,
    ADD ended_at timestamptz;
UPDATE charge SET purchase_id = id, ended_at = created_at,
    reference = coalesce((SELECT p.reference FROM purchase p WHERE p.id = charge.id), '');
ALTER TABLE charge ALTER reference DROP DEFAULT;
CREATE INDEX charge_due ON charge (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX charge_reference ON charge (reference);
CREATE INDEX charge_purchase ON charge (purchase_id);
CREATE INDEX charge_handle ON charge (rail, handle) WHERE handle <> '';
CREATE INDEX charge_receipt ON charge (rail, receipt) WHERE receipt <> '';
CREATE INDEX charge_asks_payer ON charge (payer_id) WHERE state = 'needs_code';

-- Payments: money that truly came in, once for each provider reference. What fits no order rests in 2060 under its id.
CREATE TABLE payment (
    id uuid PRIMARY KEY,
    rail text NOT NULL,
    receipt text NOT NULL,
    charge_id uuid REFERENCES charge,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text NOT NULL,
    applied_minor bigint NOT NULL DEFAULT 0 CHECK (applied_minor BETWEEN 0 AND amount_minor),
    why text NOT NULL DEFAULT '' CHECK (why IN ('', 'late', 'duplicate', 'wrong_amount', 'other_currency', 'unknown')),
    created_at timestamptz NOT NULL DEFAULT clock(),
    UNIQUE (rail, receipt)
);
CREATE INDEX payment_charge ON payment (charge_id);
CREATE INDEX payment_unapplied ON payment (created_at) WHERE applied_minor < amount_minor;

-- Refunds: money on its way back to who paid. Until the rail has it, it rests in 2300 under the refund's id.
CREATE TABLE refund (
    id uuid PRIMARY KEY,
    reference text NOT NULL UNIQUE,
    charge_id uuid NOT NULL REFERENCES charge,
    payment_id uuid REFERENCES payment,
    payee_id bigint NOT NULL REFERENCES member,
    rail text NOT NULL,
    why text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text NOT NULL,
    state text NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'asking', 'unknown', 'pending', 'paid', 'failed')),
    handle text NOT NULL DEFAULT '',
    receipt text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT '',
    attempt int NOT NULL DEFAULT 0,
    due_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock(),
    ended_at timestamptz
);
CREATE INDEX refund_due ON refund (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX refund_charge ON refund (charge_id);
CREATE INDEX refund_open ON refund (created_at) WHERE state <> 'paid';

-- Chargebacks, by the provider's name of them. `held_minor` is what the buyer still held of the value when it was opened.
CREATE TABLE dispute (
    id uuid PRIMARY KEY,
    rail text NOT NULL,
    name text NOT NULL,
    charge_id uuid NOT NULL REFERENCES charge,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'won', 'lost')),
    opened_at timestamptz NOT NULL DEFAULT clock(),
    closed_at timestamptz,
    UNIQUE (rail, name)
);
CREATE INDEX dispute_charge ON dispute (charge_id);
CREATE TABLE dispute_hold (
    dispute_id uuid NOT NULL REFERENCES dispute,
    certificate_id bigint NOT NULL REFERENCES certificate,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    PRIMARY KEY (dispute_id, certificate_id)
);

-- Callbacks are hints: kept once each, to know a repeat and to show the operator what was claimed.
CREATE TABLE callback (
    rail text NOT NULL,
    event text NOT NULL,
    charge_id uuid REFERENCES charge,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (rail, event)
);
CREATE INDEX callback_received ON callback (received_at);

-- What the operator must look at: nothing here moved value by itself.
CREATE TABLE incident (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    about text NOT NULL,
    facts jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT clock(),
    closed_at timestamptz,
    UNIQUE (kind, about)
);
CREATE INDEX incident_open ON incident (created_at) WHERE closed_at IS NULL;

-- Bank statements, as they were imported, whole or not at all.
CREATE TABLE bank_statement (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account text NOT NULL,
    name text NOT NULL,
    currency text NOT NULL,
    opening_minor bigint,
    closing_minor bigint,
    imported_at timestamptz NOT NULL DEFAULT clock(),
    UNIQUE (account, name)
);
CREATE TABLE bank_line (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    statement_id bigint NOT NULL REFERENCES bank_statement,
    number int NOT NULL,
    account text NOT NULL,
    bank_reference text NOT NULL,
    booked_on date NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
    currency text NOT NULL,
    remittance text NOT NULL,
    counterparty text NOT NULL DEFAULT '',
    counterparty_account text NOT NULL DEFAULT '',
    payment_id uuid REFERENCES payment,
    refund_id uuid REFERENCES refund,
    UNIQUE (account, bank_reference)
);
CREATE INDEX bank_line_statement ON bank_line (statement_id, number);
CREATE INDEX bank_line_unmatched ON bank_line (booked_on) WHERE payment_id IS NULL AND refund_id IS NULL;

-- When a certificate ends, by the law it was issued under (circulation/laws). `expired`: its value rests in 2130.
ALTER TABLE certificate
    ADD law text NOT NULL DEFAULT 'house',
    ADD expires_on date,
    ADD extensions int NOT NULL DEFAULT 0,
    ADD state text NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'expired', 'ended'));
ALTER TABLE certificate ALTER law DROP DEFAULT;
CREATE INDEX certificate_expiring ON certificate (expires_on) WHERE state = 'live';
CREATE INDEX certificate_expired ON certificate (expires_on) WHERE state = 'expired';

-- Guarded accounts: what is owed to one party on one thing, never below zero.
CREATE FUNCTION guarded(p_code text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT p_code IN ('2055', '2060', '2100', '2110', '2120', '2130', '2300', '2310')
$$;

CREATE OR REPLACE FUNCTION post_entry(p_operation text, p_kind text, p_currency text, p_codes text[], p_owners text[], p_amounts bigint[])
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
        WHERE guarded(l.code) GROUP BY 1 ORDER BY 1
    LOOP
        UPDATE balance SET amount_minor = amount_minor + v_change WHERE account_id = v_account;
        IF NOT FOUND THEN
            INSERT INTO balance AS b (account_id, amount_minor) VALUES (v_account, v_change)
                ON CONFLICT (account_id) DO UPDATE SET amount_minor = b.amount_minor + excluded.amount_minor;
        END IF;
    END LOOP;
    RETURN true;
END $$;

GRANT SELECT, INSERT, UPDATE, DELETE ON payment, refund, dispute, dispute_hold, callback, incident, bank_statement, bank_line
    TO giftline_app;
