/** Begins the lines on workerd's stdout that belong to the recording. */
export const recordingMark = "##mesh-test##";
