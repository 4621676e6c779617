-- What a store had earned when it was paid: on its way (2210) until a statement shows it, or the operator saw it fail.
CREATE TABLE store_payout (
    id uuid PRIMARY KEY,
    reference text NOT NULL UNIQUE,
    store_id int NOT NULL REFERENCES store,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text NOT NULL,
    state text NOT NULL DEFAULT 'started' CHECK (state IN ('started', 'paid', 'failed')),
    created_at timestamptz NOT NULL DEFAULT clock(),
    ended_at timestamptz,
    CHECK ((state = 'started') = (ended_at IS NULL))
);
CREATE INDEX store_payout_store ON store_payout (store_id, created_at);
CREATE INDEX store_payout_in_transit ON store_payout (created_at) WHERE state = 'started';

-- The debit that paid it.
ALTER TABLE bank_line ADD payout_id uuid REFERENCES store_payout;
CREATE INDEX bank_line_payout ON bank_line (payout_id) WHERE payout_id IS NOT NULL;
DROP INDEX bank_line_unmatched;
CREATE INDEX bank_line_unmatched ON bank_line (booked_on)
    WHERE payment_id IS NULL AND refund_id IS NULL AND payout_id IS NULL;

CREATE OR REPLACE FUNCTION guarded(p_code text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT p_code IN ('2055', '2060', '2100', '2110', '2120', '2130', '2210', '2300', '2310')
$$;

-- The console starts payouts and says which have failed; console and worker import the statements that show which are paid.
GRANT SELECT ON store_payout TO giftline_worker, giftline_console, giftline_auditor;
GRANT INSERT (id, reference, store_id, amount_minor, currency) ON store_payout TO giftline_console;
GRANT UPDATE (state, ended_at) ON store_payout TO giftline_worker, giftline_console;
GRANT UPDATE (payout_id) ON bank_line TO giftline_worker, giftline_console;
