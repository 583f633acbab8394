-- What wrk sends as a POST of a small JSON document.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"from":"2012-01-01","to":"2015-12-31","columns":["precipitation","wind"]}'
