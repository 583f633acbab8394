/** What `console.error` is given while `task` runs; none of it is printed. */
export async function printedErrors(task: () => void | Promise<void>): Promise<unknown[][]> {
  const printed: unknown[][] = [];
  const before = console.error;
  console.error = (...data: unknown[]) => {
    printed.push(data);
  };
  try {
    await task();
  } finally {
    console.error = before;
  }
  return printed;
}
