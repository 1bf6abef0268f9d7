-- What happens while a page of the docs is open, again and again: others write, rows come and go, tables are emptied.
UPDATE components SET name = name || '.';
INSERT INTO orders (customer_type, customer_id, total) VALUES ('company', '7', 200);
UPDATE orders SET total = total + 1;
INSERT INTO todos (user_id, title) VALUES ('42', 'Call'), ('42', 'Write');
DELETE FROM todos WHERE id = (SELECT min(id) FROM todos);
SELECT walcast.broadcast('user:42', 'invoice:paid', '{"id": 7}');
BEGIN;
CREATE TEMP TABLE kept ON COMMIT DROP AS TABLE components;
TRUNCATE components, orders;
INSERT INTO components SELECT * FROM kept;
COMMIT;
