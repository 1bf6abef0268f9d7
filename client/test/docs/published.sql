-- What an application's DBA has done before its pages follow a table, where the page of the docs has not done it itself.
GRANT SELECT, INSERT, UPDATE, DELETE ON components, orders, todos TO walcast;
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['orders', 'todos'] LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_publication_tables WHERE pubname = 'walcast' AND tablename = name);
        EXECUTE format('ALTER TABLE public.%I REPLICA IDENTITY FULL', name);
        EXECUTE format('ALTER PUBLICATION walcast ADD TABLE public.%I', name);
        IF name = 'orders' THEN
            PERFORM walcast.broadcast_table('public.orders', prefix => 'order', entity => ARRAY['customer_type', 'customer_id']);
        END IF;
    END LOOP;
END $$;
