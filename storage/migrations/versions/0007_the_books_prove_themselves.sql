-- The chain: each entry of the journal at its place, with a digest over the entry and the digest before (storage/seals.py).
CREATE TABLE journal_seal (
    place bigint PRIMARY KEY CHECK (place > 0),
    entry_id bigint NOT NULL UNIQUE REFERENCES journal_entry,
    digest bytea NOT NULL CHECK (length(digest) = 32)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON journal_seal FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON journal_seal FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();

-- Where sealing goes on. Every entry up to `floor` is sealed. Ids up to `horizon` had been given out while the
-- transactions `writers` (pg_locks) were writing to the journal: when those are over, no entry can appear below it.
-- It only saves work: what proves the journal does not believe it.
CREATE TABLE seal_mark (
    id int PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    floor bigint NOT NULL DEFAULT 0,
    horizon bigint NOT NULL DEFAULT 0,
    writers text[] NOT NULL DEFAULT '{}'
);
INSERT INTO seal_mark DEFAULT VALUES;

-- Whether a member has a PIN, for those who may not see its hash.
ALTER TABLE member ADD has_pin boolean NOT NULL GENERATED ALWAYS AS (pin_hash IS NOT NULL) STORED;

-- Keeps a provider's receipt, and moves its text's row forward if it says more than was known; whether it did. The row
-- is the one it names, or else the one that bears the provider's name of the message (p_outbox_id 0). Bad news counts only
-- for the attempt whose name the row bears, good news for any. Doors from outside write no state of a text but by this.
CREATE FUNCTION record_receipt(p_provider text, p_provider_id text, p_outbox_id bigint, p_state text, p_error_code text)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_ranks constant text[] := ARRAY['sent', 'failed', 'undelivered', 'delivered'];
BEGIN
    INSERT INTO receipt (provider, provider_id, outbox_id, state, error_code)
        VALUES (p_provider, p_provider_id, nullif(p_outbox_id, 0), p_state, p_error_code);
    UPDATE outbox AS o
        SET state = p_state, error_code = p_error_code, sent_at = coalesce(o.sent_at, now()),
            sentence = CASE WHEN o.secret THEN '' ELSE o.sentence END,
            holes = CASE WHEN o.secret THEN '{}' ELSE o.holes END
        WHERE o.provider = p_provider
          AND (o.id = nullif(p_outbox_id, 0) OR (p_outbox_id = 0 AND o.provider_id = p_provider_id))
          AND coalesce(array_position(v_ranks, o.state), 0) < coalesce(array_position(v_ranks, p_state), 0)
          AND (p_state IN ('sent', 'delivered') OR coalesce(o.provider_id, p_provider_id) = p_provider_id);
    RETURN FOUND;
END $$;

-- Which sentence was told of what, for those who may not read the texts: they have codes and people's words in them.
CREATE VIEW notice_given AS
    SELECT id, sentence, holes ->> 'reference' AS reference FROM outbox WHERE holes ? 'reference' AND NOT secret;

-- A table that a session made for itself must not stand in for one of the ledger.
ALTER FUNCTION post_entry(text, text, text, text[], text[], bigint[]) SET search_path = public, pg_temp;

---------------------------------------------------------------------------------------------------------------------
-- Four roles, one for each kind of process. Another database of this server may have made them, or be making them now.
DO $$
DECLARE
    v_role text;
    v_right text := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['giftline_web', 'giftline_worker', 'giftline_console', 'giftline_auditor'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = v_role) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', v_role);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
        BEGIN
            IF NOT pg_has_role(current_user, v_role, v_right) THEN
                EXECUTE format('GRANT %I TO CURRENT_USER', v_role);
            END IF;
        EXCEPTION WHEN unique_violation THEN NULL;
        END;
    END LOOP;
END $$;

-- The one role of before keeps its name, since other databases of this server may use it, and nothing else.
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM giftline_app;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM giftline_app;
REVOKE ALL ON SCHEMA public FROM giftline_app;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO giftline_web, giftline_worker, giftline_console, giftline_auditor;
GRANT EXECUTE ON FUNCTION clock() TO giftline_web, giftline_worker, giftline_console, giftline_auditor;
GRANT EXECUTE ON FUNCTION guarded(text) TO giftline_web, giftline_worker, giftline_console, giftline_auditor;
GRANT EXECUTE ON FUNCTION post_entry(text, text, text, text[], text[], bigint[])
    TO giftline_web, giftline_worker, giftline_console;
GRANT EXECUTE ON FUNCTION take_message(text, text, bytea) TO giftline_web;
GRANT EXECUTE ON FUNCTION record_receipt(text, text, bigint, text, text) TO giftline_web, giftline_worker;

-- All four: the ledger, the catalogue, and whether the schema is up to date. Nobody writes the ledger but by post_entry.
GRANT SELECT ON account, journal_entry, posting, balance, issuer, denomination, store, acceptance, alembic_version
    TO giftline_web, giftline_worker, giftline_console, giftline_auditor;
GRANT SELECT ON purchase, payment, refund, certificate, gift_sheet, group_part, gift_list, code_certificate,
    redemption, redemption_part, redemption_tombstone, store_return, dispute, dispute_hold, callback, incident, reminder, extension
    TO giftline_web, giftline_worker, giftline_console, giftline_auditor;

-- Those who do business. Ids, amounts, currencies and parties of what was written are nobody's to change.
-- (Whoever locks a member's row must be able to write something in it: the provider of their texts.)
GRANT SELECT (id, msisdn, name, language, has_pin, sms_provider, joined_at, created_at, name_shown), UPDATE (sms_provider)
    ON member TO giftline_web, giftline_worker, giftline_console;
GRANT INSERT (msisdn, language) ON member TO giftline_web, giftline_worker, giftline_console;
GRANT INSERT (provider, msisdn, language, sentence, holes, secret) ON outbox
    TO giftline_web, giftline_worker, giftline_console;
GRANT INSERT ON purchase, charge, refund, certificate, gift, gift_sheet, incident
    TO giftline_web, giftline_worker, giftline_console;
GRANT UPDATE (closed_at, created_at, facts) ON incident TO giftline_web, giftline_worker, giftline_console;
GRANT UPDATE (state, issued_at) ON purchase TO giftline_web, giftline_worker, giftline_console;
GRANT UPDATE (state, handle, receipt, reason, link, code, disputed, attempt, due_at, deadline_at, ended_at) ON charge
    TO giftline_web, giftline_worker, giftline_console;
GRANT UPDATE (state, handle, receipt, reason, attempt, due_at, ended_at) ON refund
    TO giftline_web, giftline_worker, giftline_console;
GRANT UPDATE (holder_id, state, expires_on, extensions) ON certificate TO giftline_web, giftline_worker, giftline_console;
GRANT UPDATE (state) ON redemption_code TO giftline_web, giftline_worker, giftline_console;
GRANT UPDATE (state, place, paid_at) ON group_part TO giftline_web, giftline_worker, giftline_console;
GRANT UPDATE (state, gift_id, closed_at) ON group_gift TO giftline_web, giftline_worker, giftline_console;
GRANT UPDATE (state, answered_at, sends_at, sent_at, lapses_at) ON gift TO giftline_web, giftline_worker;
GRANT UPDATE (open) ON gift_sheet TO giftline_web, giftline_worker;
GRANT UPDATE (state, commission_minor, captured_minor, returned_minor, commission_returned_minor, hold_until, ended_at)
    ON redemption TO giftline_web, giftline_worker;
GRANT UPDATE (captured_minor, returned_minor) ON redemption_part TO giftline_web, giftline_worker;

-- Web: conversations, and the doors of the providers. It deletes nothing but counters of attempts.
GRANT SELECT ON member, clerk, charge, gift, group_gift, redemption_code, name_check, inbox, conversation, attempt_counter
    TO giftline_web;
GRANT SELECT (gift_id) ON gift_list_line TO giftline_web; -- whether a gift is of a list
GRANT INSERT (name, pin_hash, joined_at), UPDATE (name, language, pin_hash, joined_at, name_shown) ON member TO giftline_web;
GRANT INSERT ON redemption_code, code_certificate, redemption, redemption_part, redemption_tombstone, store_return, callback,
    group_gift, group_part, name_check, extension, inbox, conversation, attempt_counter TO giftline_web;
GRANT UPDATE (reply) ON inbox TO giftline_web;
GRANT UPDATE (version, body, saved_at) ON conversation TO giftline_web;
GRANT UPDATE (failures, since, locked_until), DELETE ON attempt_counter TO giftline_web;

-- Worker: sends texts, asks for charges, does what is due, seals the journal. Of messages and conversations it sees how
-- old they are; of codes whether they are live.
GRANT SELECT ON charge, gift, group_gift, gift_list_line, name_check, bank_statement, bank_line, outbox, receipt, journal_seal,
    seal_mark TO giftline_worker;
GRANT SELECT (id, holder_id, limit_minor, state, created_at, expires_at) ON redemption_code
    TO giftline_worker;
GRANT SELECT ON SEQUENCE journal_entry_id_seq TO giftline_worker;
GRANT INSERT ON payment, dispute, dispute_hold, bank_statement, bank_line, reminder, journal_seal TO giftline_worker;
GRANT UPDATE (sentence, holes, state, attempt, due_at, sent_at, provider_id, error_code) ON outbox TO giftline_worker;
GRANT UPDATE (sheets, amount_minor, fee_minor) ON purchase TO giftline_worker;
GRANT UPDATE (charge_id, applied_minor, why) ON payment TO giftline_worker;
GRANT UPDATE (state, closed_at, loss_minor) ON dispute TO giftline_worker;
GRANT UPDATE (amount_minor) ON dispute_hold TO giftline_worker;
GRANT UPDATE (payment_id, refund_id) ON bank_line TO giftline_worker;
GRANT UPDATE (state, batches, due_at, paid_at, done_at) ON gift_list TO giftline_worker;
GRANT UPDATE (due_at, gift_id) ON gift_list_line TO giftline_worker;
GRANT UPDATE (holder_id, told_on) ON reminder TO giftline_worker;
GRANT UPDATE (state, attempt, due_at), DELETE ON name_check TO giftline_worker;
GRANT UPDATE (floor, horizon, writers) ON seal_mark TO giftline_worker;
GRANT SELECT (received_at), DELETE ON inbox TO giftline_worker;
GRANT SELECT (saved_at), DELETE ON conversation TO giftline_worker;
GRANT DELETE ON callback TO giftline_worker;

-- Console: stocks the catalogue, imports statements (and issues what they have paid) and gift lists, asks for refunds. It
-- reads no words of people and no codes.
GRANT INSERT (prefix, name, kind), UPDATE (name, kind) ON issuer TO giftline_console;
GRANT INSERT (issuer_id, amount_minor, fee_minor, currency), UPDATE (fee_minor) ON denomination TO giftline_console;
GRANT INSERT (name, commission_bps), UPDATE (commission_bps) ON store TO giftline_console;
GRANT INSERT ON acceptance TO giftline_console;
GRANT SELECT, INSERT (store_id, msisdn, name), UPDATE (store_id, name) ON clerk TO giftline_console;
GRANT SELECT ON bank_statement, bank_line TO giftline_console;
GRANT INSERT ON payment, bank_statement, bank_line, gift_list, gift_list_line TO giftline_console;
GRANT UPDATE (charge_id, applied_minor, why) ON payment TO giftline_console;
GRANT UPDATE (payment_id, refund_id) ON bank_line TO giftline_console;
GRANT UPDATE (state, due_at, paid_at) ON gift_list TO giftline_console;

-- Auditor: reads what the books are made of. No numbers and names of people; writes nothing.
GRANT SELECT ON journal_seal, bank_statement, bank_line, notice_given TO giftline_auditor;
GRANT SELECT (id, joined_at, created_at) ON member TO giftline_auditor;
GRANT SELECT (id, store_id) ON clerk TO giftline_auditor;

-- What console and auditor read of rows in which words, codes or links of people stand as well.
GRANT SELECT (id, rail, payer_id, amount_minor, currency, state, created_at, purchase_id, group_part_id, gift_list_id,
    reference, handle, receipt, reason, disputed, attempt, due_at, deadline_at, ended_at) ON charge
    TO giftline_console, giftline_auditor;
GRANT SELECT (id, reference, issuer_id, giver_id, recipient_id, amount_minor, currency, state, created_at, sends_at, sent_at,
    lapses_at, answered_at) ON gift TO giftline_console, giftline_auditor;
GRANT SELECT (id, number, reference, organiser_id, recipient_id, denomination_id, worth_minor, fee_minor, currency, parts,
    part_minor, state, gift_id, created_at, closes_at, closed_at) ON group_gift TO giftline_console, giftline_auditor;
GRANT SELECT (list_id, line, denomination_id, fee_minor, due_at, gift_id) ON gift_list_line
    TO giftline_console, giftline_auditor;
GRANT SELECT (msisdn) ON gift_list_line TO giftline_console;
GRANT SELECT (link) ON charge TO giftline_console; -- marking a charge keeps the link it has
GRANT SELECT (id, holder_id, limit_minor, state, created_at, expires_at) ON redemption_code
    TO giftline_console, giftline_auditor;
