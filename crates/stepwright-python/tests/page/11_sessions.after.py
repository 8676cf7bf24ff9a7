print(response1.session_id == response2.session_id, response2.user_id)
