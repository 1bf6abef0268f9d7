-- What the docs speak of beside walcast's own: tables of an application, as they are before they are published, and roles.
CREATE TABLE public.orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner text, customer_type text, customer_id text, status text NOT NULL DEFAULT 'open',
    total numeric, version bigint NOT NULL DEFAULT 1, updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE public.todos (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id text, title text);
INSERT INTO public.orders (owner, customer_type, customer_id) VALUES ('ann', 'company', '7');
INSERT INTO components (version, id, entity_type, entity_id, type, name, rows)
VALUES (7, '6f96b7a2-5c0e-4a57-9a52-0d3f1c1f5b1e', 'page', '1', 'hero', 'Welcome', '[{"id": "row-1", "components": [{"id": "text-1", "type": "text", "text": "The first"}]}]');
SELECT format('CREATE ROLE %I', name) FROM unnest(ARRAY['app', 'monitoring']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
