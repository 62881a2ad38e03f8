Console.WriteLine("ledger");
return 0;
