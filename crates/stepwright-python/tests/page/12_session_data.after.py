print(session.session_id, state, metrics.usage)
