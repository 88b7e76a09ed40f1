-- What was kept without a record is found each minute, in case the router says nothing more.
CREATE INDEX router_tunnel_untold ON router_tunnel (recorded_at) WHERE unrecorded > 0;
