-- The journal of one run, format 1. `massgen-journal` writes it; anybody may read it with any SQLite program, also
-- while the run is going on.

-- What happened, in order. Rows are only ever added at the end.
CREATE TABLE events (
    seq    INTEGER PRIMARY KEY,   -- position in the run: dense, from 1
    at     INTEGER NOT NULL,      -- when it was committed: microseconds since the Unix epoch, UTC
    run_ms INTEGER NOT NULL,      -- when it was committed, in time at work: milliseconds
    v      INTEGER NOT NULL,      -- version of the event's JSON form
    kind   TEXT NOT NULL,         -- name of the event, for example vote_cast
    agent  TEXT,                  -- agentN, when the event is about one agent
    body   TEXT,                  -- the event as JSON; NULL when it is long, then
    blob   TEXT,                  -- the BLAKE3 hash of that JSON, which is the file blobs/<first two digits>/<hash>
    CHECK ((body IS NULL) <> (blob IS NULL))
) STRICT;

-- What the views look for.
CREATE INDEX events_of_agents ON events (kind, agent, seq);

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'the journal only grows: events are never changed');
END;

CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'the journal only grows: events are never deleted');
END;

-- Also what stops INSERT OR REPLACE, which deletes without asking the trigger above.
CREATE TRIGGER events_are_dense BEFORE INSERT ON events
WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM events)
BEGIN
    SELECT RAISE(ABORT, 'the journal is dense: an event must follow the last one');
END;

-- Views for analysis. A long body lies in a blob, which SQL does not see: what a view takes from it is then NULL.
-- Amounts of money are US dollars; NULL where the price is unknown.

-- One row per model call. `outcome` is `replied`, `failed` or `cancelled`; `finished` is NULL while the call runs and
-- for one that a kill left open. Calls of one agent follow one another, so the end of a call whose body is a blob
-- is the next end of its agent.
CREATE VIEW calls AS
WITH started AS (
    SELECT seq, at, run_ms, agent,
           body ->> '$.call.number' AS number,
           body ->> '$.purpose' AS purpose,
           lead(seq) OVER (PARTITION BY agent ORDER BY seq) AS next_seq
    FROM events WHERE kind = 'model_call_started'
), finished AS (
    SELECT seq, at, run_ms, agent, body, blob,
           body ->> '$.call.number' AS number,
           body ->> '$.outcome.outcome' AS outcome,
           coalesce(body -> '$.outcome.reply.usage', body -> '$.outcome.usage') AS usage,
           body ->> '$.outcome.cost' AS nanos
    FROM events WHERE kind = 'model_call_finished'
)
SELECT started.agent || '-call-' || started.number AS call,
       started.agent AS agent,
       started.purpose AS purpose,
       strftime('%Y-%m-%dT%H:%M:%fZ', started.at / 1e6, 'unixepoch') AS started,
       strftime('%Y-%m-%dT%H:%M:%fZ', finished.at / 1e6, 'unixepoch') AS finished,
       (finished.run_ms - started.run_ms) / 1e3 AS seconds,
       finished.outcome AS outcome,
       finished.usage ->> '$.input' AS input_tokens,
       finished.usage ->> '$.cached_input' AS cached_input_tokens,
       finished.usage ->> '$.output' AS output_tokens,
       finished.nanos / 1e9 AS cost_usd,
       started.seq AS started_seq,
       finished.seq AS finished_seq
FROM started LEFT JOIN finished ON finished.agent = started.agent AND finished.seq > started.seq AND (
    finished.number = started.number
    OR finished.blob IS NOT NULL AND (started.next_seq IS NULL OR finished.seq < started.next_seq)
)
ORDER BY started.seq;

-- One row per accepted answer.
CREATE VIEW answers AS
SELECT agent || '.' || row_number() OVER (PARTITION BY agent ORDER BY seq) AS answer,
       agent,
       strftime('%Y-%m-%dT%H:%M:%fZ', at / 1e6, 'unixepoch') AS accepted,
       run_ms / 1e3 AS run_seconds,
       body ->> '$.content' AS content,
       seq
FROM events WHERE kind = 'answer_accepted'
ORDER BY seq;

-- One row per vote that was cast. A vote is outdated once an answer comes after it; `counted` is 1 for the newest
-- vote of its voter if no answer came later.
CREATE VIEW votes AS
SELECT vote.agent AS voter,
       vote.body ->> '$.answer' AS answer,
       vote.body ->> '$.reason' AS reason,
       strftime('%Y-%m-%dT%H:%M:%fZ', vote.at / 1e6, 'unixepoch') AS cast_at,
       vote.run_ms / 1e3 AS run_seconds,
       NOT EXISTS (SELECT 1 FROM events AS later WHERE later.kind = 'answer_accepted' AND later.seq > vote.seq)
           AND NOT EXISTS (SELECT 1 FROM events AS later
                           WHERE later.kind = 'vote_cast' AND later.agent = vote.agent AND later.seq > vote.seq)
           AS counted,
       vote.seq AS seq
FROM events AS vote WHERE vote.kind = 'vote_cast'
ORDER BY vote.seq;
