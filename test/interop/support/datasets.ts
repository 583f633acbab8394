/** What every client must get to see. */
export const datasets: readonly { readonly name: string; readonly rows: number; readonly sha256: string }[] =
  [
    {
      name: "earthquakes",
      rows: 1707,
      sha256: "c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2",
    },
    { name: "flüge", rows: 9_007_199_254_740_991, sha256: "" },
    { name: "weather", rows: 0, sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
  ];
