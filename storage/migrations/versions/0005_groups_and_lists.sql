-- Group gifts: one sheet, paid by several givers. `number` is what they tell each other; it is used again after the end.
-- open: parts may be paid. full: every part is paid, and the gift is about to be issued. given, unmet, called_off: ended;
-- answered: given, and every giver was told how the recipient answered.
-- The last part pays what the others leave of the price: total - part * (parts - 1).
CREATE TABLE group_gift (
    id uuid PRIMARY KEY,
    number text NOT NULL CHECK (number ~ '^[1-9][0-9]{5}$'),
    reference text NOT NULL UNIQUE,
    organiser_id bigint NOT NULL REFERENCES member,
    recipient_id bigint NOT NULL REFERENCES member,
    denomination_id int NOT NULL REFERENCES denomination,
    worth_minor bigint NOT NULL CHECK (worth_minor > 0),
    fee_minor bigint NOT NULL CHECK (fee_minor >= 0),
    currency text NOT NULL,
    note text NOT NULL CHECK (length(note) <= 80),
    parts int NOT NULL CHECK (parts BETWEEN 2 AND 20),
    part_minor bigint NOT NULL CHECK (part_minor > 0),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'full', 'given', 'answered', 'unmet', 'called_off')),
    gift_id uuid REFERENCES gift DEFERRABLE INITIALLY DEFERRED,
    created_at timestamptz NOT NULL DEFAULT clock(),
    closes_at timestamptz NOT NULL,
    closed_at timestamptz,
    CHECK (organiser_id <> recipient_id),
    CHECK (part_minor * (parts - 1) < worth_minor + fee_minor),
    CHECK ((state IN ('open', 'full')) = (closed_at IS NULL))
);
CREATE UNIQUE INDEX group_gift_number ON group_gift (number) WHERE state IN ('open', 'full');
CREATE INDEX group_gift_closing ON group_gift (closes_at) WHERE state = 'open';
CREATE INDEX group_gift_full ON group_gift (id) WHERE state = 'full';
CREATE INDEX group_gift_given ON group_gift (gift_id) WHERE state = 'given';
CREATE INDEX group_gift_organiser ON group_gift (organiser_id, created_at DESC);

-- The parts. A place is taken while its part waits for its money and once it is paid; `free`: it was not paid in time, and
-- somebody else may take the place. `owed`: paid, and to go back because the group gift did not come about; `returned`: gone
-- back to its giver's refund.
CREATE TABLE group_part (
    id uuid PRIMARY KEY,
    group_id uuid NOT NULL REFERENCES group_gift,
    place int NOT NULL,
    giver_id bigint NOT NULL REFERENCES member,
    reference text NOT NULL UNIQUE,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'paid', 'free', 'owed', 'returned')),
    created_at timestamptz NOT NULL DEFAULT clock(),
    paid_at timestamptz,
    CHECK ((state IN ('paid', 'owed', 'returned')) = (paid_at IS NOT NULL))
);
CREATE UNIQUE INDEX group_part_place ON group_part (group_id, place) WHERE state IN ('waiting', 'paid');
CREATE INDEX group_part_group ON group_part (group_id);
CREATE INDEX group_part_owed ON group_part (paid_at) WHERE state = 'owed';
CREATE INDEX group_part_giver ON group_part (giver_id, group_id);

-- Gift lists: a company's gifts, paid by one charge and issued in batches. ordered: waits for its money. paid: being issued.
-- done: every line is offered. failed: the money did not come.
CREATE TABLE gift_list (
    id uuid PRIMARY KEY,
    reference text NOT NULL UNIQUE,
    company_id bigint NOT NULL REFERENCES member,
    lines int NOT NULL CHECK (lines > 0),
    worth_minor bigint NOT NULL CHECK (worth_minor > 0),
    fee_minor bigint NOT NULL CHECK (fee_minor >= 0),
    currency text NOT NULL,
    rail text NOT NULL,
    state text NOT NULL DEFAULT 'ordered' CHECK (state IN ('ordered', 'paid', 'done', 'failed')),
    batches int NOT NULL DEFAULT 0,
    due_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock(),
    paid_at timestamptz,
    done_at timestamptz,
    CHECK ((state IN ('paid', 'done')) = (paid_at IS NOT NULL))
);
CREATE INDEX gift_list_due ON gift_list (due_at) WHERE state = 'paid';
CREATE INDEX gift_list_company ON gift_list (company_id, created_at DESC);

CREATE TABLE gift_list_line (
    list_id uuid NOT NULL REFERENCES gift_list,
    line int NOT NULL,
    msisdn text NOT NULL CHECK (msisdn ~ '^\+[0-9]{6,15}$'),
    denomination_id int NOT NULL REFERENCES denomination,
    fee_minor bigint NOT NULL CHECK (fee_minor >= 0),
    note text NOT NULL CHECK (length(note) <= 80),
    due_at timestamptz NOT NULL,
    gift_id uuid UNIQUE REFERENCES gift,
    PRIMARY KEY (list_id, line)
);
CREATE INDEX gift_list_line_waiting ON gift_list_line (list_id, due_at, line) WHERE gift_id IS NULL;

ALTER TABLE charge
    ADD FOREIGN KEY (group_part_id) REFERENCES group_part,
    ADD FOREIGN KEY (gift_list_id) REFERENCES gift_list;
CREATE INDEX charge_group_part ON charge (group_part_id) WHERE group_part_id IS NOT NULL;
CREATE INDEX charge_gift_list ON charge (gift_list_id) WHERE gift_list_id IS NOT NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON group_gift, group_part, gift_list, gift_list_line TO giftline_app;
