-- Forgets mutations that are older than $1 seconds, at most $2 at once.
DELETE FROM walcast.mutations
 WHERE (user_id, mutation_id) IN (SELECT m.user_id, m.mutation_id FROM walcast.mutations m
                                   WHERE m.at < now() - make_interval(secs => $1)
                                   ORDER BY m.at LIMIT $2 FOR UPDATE SKIP LOCKED)
