-- Another log over the records that a restore brought back: security.md, "After a restore".
-- As a superuser, every worker stopped, the old witness and an export of the old log kept elsewhere. The worker then
-- numbers every record anew: under another key and another CLARES_LAW_EVIDENCE_ORIGIN, told to another witness.
BEGIN;
SET LOCAL session_replication_role = replica;  -- leaves are kept as written; this is no change of one but their end
DELETE FROM leaf_due;
DELETE FROM tree_node;
DELETE FROM leaf;
DELETE FROM checkpoint;
DELETE FROM sequencing;
DO $$
DECLARE of_kind text;
BEGIN
    -- The log last: what was there before the tree is numbered before it. And an erasure after what it rests on.
    FOR of_kind IN SELECT relname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
        WHERE tgname = 'numbered' ORDER BY relname = 'access_log', relname = 'erasure', relname
    LOOP
        EXECUTE format('INSERT INTO leaf_due (kind, record_id) SELECT %L, id FROM %I ORDER BY %I, id',
            of_kind, of_kind, CASE of_kind WHEN 'access_log' THEN 'logged_at' ELSE 'id' END);
    END LOOP;
END $$;
COMMIT;
