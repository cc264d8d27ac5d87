-- What a finished commit planned of its session is in the session's row. Of one that rules have made anew at
-- archiving it told what they had replaced.
UPDATE commits SET changes = '{}' WHERE finished IS NOT NULL;
