-- What the API and the dashboard read.

-- A row whose `created_at` lies more than ten minutes behind `sort_at`: adopted out of order, or stored while the clock
-- was behind. `sort_at` never falls with the id, so the last entry is the highest id of such a row: a page that ends
-- before an instant starts there, or where `sort_at` passes the instant by those ten minutes.
CREATE INDEX alert_far_behind ON alert_events (sort_at)
    WHERE julianday(sort_at) - julianday(created_at) > 0.00694444;

CREATE INDEX alert_drill        ON alert_events (kind) WHERE kind = 'drill';
CREATE INDEX run_status         ON runs (status);
CREATE INDEX run_profile_status ON runs (profile, status);
