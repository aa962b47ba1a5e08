"""Stage 3: the face-to-face meeting with an applicant, and the finding that an application is malicious (H5.1)."""
